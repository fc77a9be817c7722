import {
  calendarFactor,
  createScaleState,
  expectDemand,
  fitForecast,
  forecastLoad,
  type LoadForecast,
  type Occurrence,
  occurrencesBetween,
  observeWindow,
  planScale,
  type ScalePolicy,
  type ScaleState,
  strongest,
  withoutEvents,
} from "@consilium/scheduling"
import { Residency, type ResidencyCost } from "./Residency.ts"
import { NUM_EXPERTS, type ScaleLoad, TOP_K, type TopicRequest } from "./ScaleLoad.ts"

export const WINDOW_MS = 600_000
const DAY_WINDOWS = 144
/** Windows that a plan looks ahead. */
const HORIZON = 3
/** All experts are read in 13 s. */
const LEAD_MS = 30_000
const Z = 1

/** What was learnt from the first part of a load. */
export interface LearntLoad {
  /** Copied for each run. */
  readonly forecast: LoadForecast
  /** `[E]` uses of each expert for one request, outside events. */
  readonly shares: Float64Array
  readonly occurrences: readonly Occurrence[]
}

/** What of a plan is tuned. */
export interface PlanTuning {
  readonly leastUses: number
  readonly quietPlans: number
  readonly idleMs: number
}

export interface PlannedRun {
  readonly cost: ResidencyCost
  /** Σ|error| / Σ load, of one window ahead, as a share. */
  readonly wape: number
}

/** Learns from the requests before `untilMs`. */
export function learnLoad({ requests, topics, calendar, startMs, endMs }: ScaleLoad, untilMs: number): LearntLoad {
  const past = requests.filter(({ atMs }) => atMs < untilMs)
  const occurrences = occurrencesBetween(calendar, startMs, endMs)
  const usual = past.filter(({ atMs }) => strongest(occurrences, atMs) === undefined)
  const shares = new Float64Array(NUM_EXPERTS)
  for (const { topic } of usual) for (const e of topics[topic]!) shares[e]! += 1 / usual.length
  const counts = countWindows(past, startMs, untilMs)
  return {
    forecast: fitForecast(withoutEvents(counts, startMs, WINDOW_MS, occurrences), DAY_WINDOWS),
    shares,
    occurrences,
  }
}

/** Runs the forecast's plan from one time to another: a plan each window, and when it asked for one; what it let sleep is woken by who needs it. */
export function runPlanned(
  load: ScaleLoad,
  { forecast: learnt, shares, occurrences }: LearntLoad,
  tuning: PlanTuning,
  fromMs: number,
  toMs: number,
): PlannedRun {
  const policy: ScalePolicy = {
    ...tuning,
    usesPerCopy: Number.POSITIVE_INFINITY,
    mostCopies: 1,
    topK: TOP_K,
    leadMs: LEAD_MS,
  }
  const requests = load.requests.filter(({ atMs }) => atMs >= fromMs && atMs < toMs)
  const counts = countWindows(requests, fromMs, toMs)
  const forecast = { ...learnt, seasons: learnt.seasons.slice() }
  const residency = new Residency(tuning.idleMs)
  let state: ScaleState = createScaleState(NUM_EXPERTS)
  let [next, errors, all] = [0, 0, 0]
  const serveUntil = (untilMs: number): void => {
    for (; next < requests.length && requests[next]!.atMs < untilMs; next++) {
      residency.use(requests[next]!, load.topics[requests[next]!.topic]!)
    }
  }
  for (const [i, count] of counts.entries()) {
    const startMs = fromMs + i * WINDOW_MS
    const endMs = startMs + WINDOW_MS
    const demands = expectDemand(
      { forecast, shares, layer: 0, occurrences: near(occurrences, startMs), windowMs: WINDOW_MS, z: Z },
      startMs,
      HORIZON,
    )
    for (let planMs: number | undefined = startMs; planMs !== undefined && planMs < endMs;) {
      serveUntil(planMs)
      const plan = planScale(state, demands, planMs, policy)
      state = plan
      residency.keep(plan.copies, planMs)
      planMs = plan.nextWakeMs
    }
    serveUntil(endMs)
    const factor = calendarFactor(near(occurrences, startMs), startMs, endMs)
    errors += Math.abs(count - forecastLoad(forecast, 1).expected * factor)
    all += count
    observeWindow(forecast, count / factor)
  }
  return { cost: residency.end(toMs), wape: errors / all }
}

/** Returns the requests that came in each whole window. */
function countWindows(requests: readonly TopicRequest[], fromMs: number, toMs: number): Float64Array {
  const counts = new Float64Array(Math.floor((toMs - fromMs) / WINDOW_MS))
  for (const { atMs } of requests) {
    const window = Math.floor((atMs - fromMs) / WINDOW_MS)
    if (window < counts.length) counts[window]!++
  }
  return counts
}

function near(occurrences: readonly Occurrence[], atMs: number): readonly Occurrence[] {
  return occurrences.filter((one) => one.toMs > atMs && one.fromMs < atMs + (HORIZON + 1) * WINDOW_MS)
}
