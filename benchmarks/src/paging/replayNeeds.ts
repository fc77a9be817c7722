import {
  createPrefetchPlan,
  createResidency,
  createResidencyPlan,
  type EvictionPolicy,
  forecastFromPrevious,
  planPrefetch,
  planResidency,
} from "@consilium/scheduling"
import type { TraceNeeds } from "./traceNeeds.ts"

/** Who says which experts the next layer needs: nobody, that layer's last step, or the trace's forecasts. */
export type Foresight = "none" | "previous" | "lookahead"

export interface ReplayOptions {
  readonly numFrames: number
  readonly policy: EvictionPolicy
  readonly foresight: Foresight
  /** Most experts that a layer reads ahead. */
  readonly maxReads: number
}

/** What became of a trace's needs. */
export interface Replay {
  readonly numNeeded: number
  /** Needed, and awake by then: read ahead or still awake. */
  readonly numHits: number
  readonly numReadAhead: number
  /** Of those read ahead: needed when their layer ran. */
  readonly numUsed: number
}

/** Replays a trace under a policy, as if every read were done by the time that its layer runs. */
export function replayNeeds(needs: TraceNeeds, options: ReplayOptions): Replay {
  const { grid, needed } = needs
  const { numLayers, numExperts } = grid
  const residency = createResidency(grid, options.numFrames, options.policy)
  const plan = createResidencyPlan(grid)
  const prefetch = createPrefetchPlan(grid)
  const previous = new Int32Array(numExperts)
  /** The turn that an expert was read ahead for. */
  const readFor = new Float64Array(numLayers * numExperts).fill(-1)
  const replay = { numNeeded: 0, numHits: 0, numReadAhead: 0, numUsed: 0 }

  for (const [turn, experts] of needed.entries()) {
    const layer = turn % numLayers
    for (const expert of experts) if (readFor[expert] === turn && residency.isHeld[expert] === 1) replay.numUsed++
    planResidency(plan, residency, {
      step: Math.floor(turn / numLayers),
      layer,
      needed: experts,
      numNeeded: experts.length,
    })
    replay.numNeeded += experts.length
    replay.numHits += experts.length - (plan.numWaves === 0 ? 0 : plan.wake.ends[plan.numWaves - 1]!)

    if (options.foresight === "none" || turn + 1 === needed.length) continue
    const nextLayer = (layer + 1) % numLayers
    const forecast = needs.forecasts[turn + 1]!
    const isLookahead = options.foresight === "lookahead"
    planPrefetch(prefetch, residency, {
      layer: nextLayer,
      expertIds: isLookahead ? forecast : previous,
      numExpertIds: isLookahead ? forecast.length : forecastFromPrevious(previous, residency, nextLayer),
      maxReads: options.maxReads,
    })
    replay.numReadAhead += prefetch.numWoken
    for (const expert of prefetch.wake.subarray(0, prefetch.numWoken)) readFor[expert] = turn + 1
  }
  return replay
}
