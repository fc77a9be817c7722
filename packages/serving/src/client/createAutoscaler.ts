import { createScalePlanner, type EventCalendar } from "@consilium/scheduling"
import type { ExpertReport, Keep } from "../control.ts"

/** Plans which experts are to be awake, from the requests so far and from what is known to come. */
export interface Autoscaler {
  /** Counts a request. */
  noteRequest(): void
  /** Ends a minute, and plans the next. Call it every `PLAN_MS`. @param experts what the engine reports; none while there is no engine */
  plan(experts: readonly ExpertReport[]): AutoscalePlan
}

export interface AutoscalePlan {
  /** What to ask of the engine. */
  readonly keep: Keep
  /** An event is on, or about to begin: the model is not to sleep. */
  readonly isEventDue: boolean
}

/** @param topK experts that each token visits */
export function createAutoscaler(calendar: EventCalendar, topK: number, nowMs: () => number): Autoscaler {
  let plannedMs = nowMs()
  const planner = createScalePlanner(calendar, plannedMs)
  let numRequests = 0

  return {
    noteRequest: () => void numRequests++,
    plan(experts) {
      const sinceMs = plannedMs
      plannedMs = nowMs()
      const layers = [...Map.groupBy(experts, ({ layer }) => layer)].map(([layer, own]) => {
        const numExperts = own.reduce((most, { expert }) => Math.max(most, expert + 1), 0)
        const [used, awake] = [new Uint8Array(numExperts), new Uint8Array(numExperts)]
        for (const { expert, usedMs, bytes } of own) {
          if (usedMs >= sinceMs) used[expert] = 1
          if (bytes > 0) awake[expert] = 1
        }
        return { layer, used, awake }
      })
      const order = planner.plan({ nowMs: plannedMs, numRequests, topK, layers })
      numRequests = 0
      return { keep: { kind: "keep", layers: order.layers }, isEventDue: order.isEventDue }
    },
  }
}
