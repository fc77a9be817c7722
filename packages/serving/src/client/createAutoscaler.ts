import {
  createScaleState,
  type EventCalendar,
  expectDemand,
  fitForecast,
  type Occurrence,
  occurrencesBetween,
  planScale,
  type ScalePolicy,
  type ScaleState,
  withoutEvents,
} from "@consilium/scheduling"
import type { ExpertReport } from "../control.ts"

/** Plans how many experts of each layer are to be awake, from the requests so far and from what is known to come. */
export interface Autoscaler {
  /** Counts a request. */
  noteRequest(): void
  /** Ends a window; returns how many experts of each layer should be awake: null for all of them. Call it every `WINDOW_MS`. */
  plan(experts: readonly ExpertReport[], topK: number): number | null
}

/** Requests are counted by the minute, and plans made as often. */
export const WINDOW_MS = 60_000
/** Windows that are remembered: two weeks. */
const MOST_WINDOWS = 14 * 24 * 60
const DAY_WINDOWS = 24 * 60
/** Windows that a plan looks ahead. */
const HORIZON = 10
/** One standard error above what is expected. */
const Z = 1
const POLICY: Omit<ScalePolicy, "topK"> = {
  leastUses: 1,
  usesPerCopy: Number.POSITIVE_INFINITY,
  mostCopies: 1,
  leadMs: 2 * WINDOW_MS,
  quietPlans: 5,
}

export function createAutoscaler(calendar: EventCalendar, nowMs: () => number): Autoscaler {
  const counts: number[] = []
  const states = new Map<number, ScaleState>()
  let current = 0
  let endMs = nowMs()

  const planLayer = (
    layer: number,
    own: readonly ExpertReport[],
    topK: number,
    occurrences: readonly Occurrence[],
  ): number => {
    const firstMs = endMs - counts.length * WINDOW_MS
    const forecast = fitForecast(withoutEvents(counts, firstMs, WINDOW_MS, occurrences), DAY_WINDOWS)
    const recent = counts.slice(-HORIZON).reduce((sum, count) => sum + count, 0) / Math.min(HORIZON, counts.length)
    // Uses of an expert for one request, as long as its load is remembered.
    const shares = Float64Array.from(own, ({ load }) => (load * WINDOW_MS) / 1000 / Math.max(1, recent))
    const demands = expectDemand({ forecast, shares, layer, occurrences, windowMs: WINDOW_MS, z: Z }, endMs, HORIZON)
    const plan = planScale(states.get(layer) ?? createScaleState(own.length), demands, endMs, { ...POLICY, topK })
    states.set(layer, plan)
    return plan.numAwake
  }

  return {
    noteRequest: () => void current++,
    plan(experts, topK) {
      endMs = nowMs()
      counts.push(current)
      current = 0
      if (counts.length > MOST_WINDOWS) counts.shift()
      const occurrences = occurrencesBetween(calendar, endMs - counts.length * WINDOW_MS, endMs + HORIZON * WINDOW_MS)
      const layers = Map.groupBy(
        experts.filter(({ version, state }) => version === "original" || state !== "draining"),
        ({ layer }) => layer,
      )
      let most = 0
      let numExperts = 0
      for (const [layer, own] of layers) {
        most = Math.max(most, planLayer(layer, own, topK, occurrences))
        numExperts = Math.max(numExperts, own.length)
      }
      return most >= numExperts ? null : most
    },
  }
}
