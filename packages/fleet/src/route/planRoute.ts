/** The second of the three stages: who is asked, best first, as base scores, load and health have it. Pure. */
import { createRouteScratch, createRouting, route, type TopKRouterConfig } from "@consilium/gating"

/** What an expert's load costs it, as it stands now. */
export interface ExpertPressure {
  /** Answers under way over what it takes at once: 1 is full. */
  readonly queueShare: number
  /** Usual time to its first text; 0 where nothing is known. */
  readonly latencyMs: number
  /** What this request would cost. */
  readonly costUsd: number
  /** Why it cannot be asked; undefined where it can. */
  readonly unavailable: string | undefined
}

export interface RoutePlan {
  /** Places of the experts that can be asked, best first. */
  readonly order: readonly number[]
  /** `[E]`: base scores with load, latency and price taken off. */
  readonly adjusted: Float32Array
}

/** Most that each is worth: together less than the gap between a good match and none, so that load decides among those that suit. */
const QUEUE_WEIGHT = 0.15
const LATENCY_WEIGHT = 0.1
const PRICE_WEIGHT = 0.05
/** A latency that costs half of its weight. */
const USUAL_LATENCY_MS = 2000

/**
 * Orders experts as the token scale's router does: base scores choose together with a bias for the load, `availability` masks who cannot be asked.
 *
 * Ties go to the lower place.
 *
 * @param base `[E]` scores of the first stage
 */
export function planRoute(base: Float32Array, pressures: readonly ExpertPressure[]): RoutePlan {
  const numExperts = base.length
  const mostUsd = pressures.reduce((most, { costUsd }) => Math.max(most, costUsd), 0)
  const selectionBias = Float32Array.from(pressures, (pressure) => -penaltyOf(pressure, mostUsd))
  const availability = Uint8Array.from(pressures, ({ unavailable }) => (unavailable === undefined ? 1 : 0))
  const config: TopKRouterConfig = {
    kind: "top-k",
    topK: numExperts,
    score: "softmax",
    normalizesWeights: true,
    choosesByLogits: true,
  }
  const routing = createRouting(1, numExperts)
  route(routing, base, 1, config, createRouteScratch(numExperts), { selectionBias, availability })
  return {
    order: [...routing.expertIds].filter((e) => e >= 0),
    adjusted: base.map((score, e) => score + selectionBias[e]!),
  }
}

function penaltyOf({ queueShare, latencyMs, costUsd }: ExpertPressure, mostUsd: number): number {
  const queue = QUEUE_WEIGHT * Math.min(1, queueShare)
  const latency = LATENCY_WEIGHT * (latencyMs / (latencyMs + USUAL_LATENCY_MS))
  const price = mostUsd > 0 ? PRICE_WEIGHT * (costUsd / mostUsd) : 0
  return queue + latency + price
}
