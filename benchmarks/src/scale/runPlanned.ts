import { createScalePlanner, FORECAST_WINDOW_MS, PLAN_MS, type ScaleTuning } from "@consilium/scheduling"
import { Residency, type ResidencyCost } from "./Residency.ts"
import { NUM_EXPERTS, type ScaleLoad, TOP_K } from "./ScaleLoad.ts"

export interface PlannedRun {
  /** What it cost up to each of the given times. */
  readonly costs: readonly ResidencyCost[]
  /** Σ|error| / Σ load, of one window ahead, between the last two of them. */
  readonly wape: number
}

/**
 * Runs the service's planner through a load, minute by minute as the service does: it learns from all that is behind it, and what it let sleep is woken
 * by who needs it.
 *
 * @param timesMs in order
 */
export function runPlanned(
  { requests, topics, calendar, startMs }: ScaleLoad,
  tuning: ScaleTuning,
  timesMs: readonly number[],
): PlannedRun {
  const planner = createScalePlanner(calendar, startMs, tuning)
  const residency = new Residency(Number.POSITIVE_INFINITY)
  /** `[E]` when the last request that uses it ends. */
  const untilMs = new Float64Array(NUM_EXPERTS).fill(startMs - 1)
  const costs: ResidencyCost[] = []
  const error = createForecastError(timesMs.at(-2) ?? startMs)
  let next = 0
  for (let nowMs = startMs + PLAN_MS; costs.length < timesMs.length; nowMs += PLAN_MS) {
    const first = next
    for (; next < requests.length && requests[next]!.atMs < nowMs; next++) {
      const request = requests[next]!
      const experts = topics[request.topic]!
      residency.use(request, experts)
      for (const e of experts) untilMs[e] = Math.max(untilMs[e]!, request.atMs + request.durationMs)
    }
    const used = new Uint8Array(NUM_EXPERTS)
    for (let e = 0; e < NUM_EXPERTS; e++) used[e] = untilMs[e]! >= nowMs - PLAN_MS ? 1 : 0
    const layers = [{ layer: 0, used, awake: residency.awake() }]
    const order = planner.plan({ nowMs, numRequests: next - first, topK: TOP_K, layers })
    residency.keep(order.layers[0]!.awake, nowMs)
    error.note(next - first)
    if ((nowMs - startMs) % FORECAST_WINDOW_MS === 0) error.nextWindow(nowMs, planner.expected)
    while (costs.length < timesMs.length && timesMs[costs.length]! <= nowMs) costs.push(residency.cost(nowMs))
  }
  return { costs, wape: error.wape() }
}

/** Compares what was expected of each window with what came, from a time on. */
function createForecastError(fromMs: number): {
  note(numRequests: number): void
  nextWindow(nowMs: number, expected: number): void
  wape(): number
} {
  let [errors, all, count] = [0, 0, 0]
  let expected: number | undefined
  return {
    note: (numRequests) => void (count += numRequests),
    nextWindow(nowMs, next) {
      if (expected !== undefined) {
        errors += Math.abs(count - expected)
        all += count
      }
      count = 0
      expected = nowMs >= fromMs ? next : undefined
    },
    wape: () => errors / all,
  }
}
