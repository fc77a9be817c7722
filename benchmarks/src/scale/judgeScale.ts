import { FORECAST_WINDOW_MS, SCALE_TUNING } from "@consilium/scheduling"
import { EXPERT_GIB, oracleCost, Residency, type ResidencyCost } from "./Residency.ts"
import { runPlanned } from "./runPlanned.ts"
import { NUM_EXPERTS, type ScaleLoad } from "./ScaleLoad.ts"

/** The plan is the service's own, as it ships. */
export const CONTENDERS = ["always awake", "reactive", "plan", "oracle"] as const
export type Contender = (typeof CONTENDERS)[number]

/** What the later part of a load cost each contender. */
export interface Judged {
  readonly costs: Readonly<Record<Contender, ResidencyCost>>
  /** What was chosen for the reactive one, on the first part. */
  readonly idleMs: number
  /** How far the plan's forecast was off. */
  readonly wape: number
  readonly hours: number
}

/** What a second of a user's waiting is worth in memory, to tune by: GiB for an hour. */
export const GIB_HOURS_PER_SEC = 1
/** The first part learns and tunes, the rest judges. */
const LEARNT_PART = 0.6
export const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const IDLE_MS = [1, 2, 5, 10, 20, 40, 80, 160, 320].map((minutes) => minutes * MINUTE_MS)

/** Judges everybody on the later part, each having run from the beginning; the reactive one with what was best for it on the second half of the first. */
export function judgeScale(load: ScaleLoad): Judged {
  const [half, fromMs, toMs] = [...learntUntil(load), windowAt(load, 1)]
  const timesMs = [half, fromMs, toMs]
  const reactive = IDLE_MS.map((idleMs) => ({ idleMs, costs: runReactive(load, idleMs, timesMs) }))
  const bestReactive = leastOf(reactive, ({ costs }) => priceOf(spent(costs, 1)))
  const planned = runPlanned(load, SCALE_TUNING, timesMs)
  const hours = (toMs - fromMs) / HOUR_MS
  const judged = load.requests.filter(({ atMs }) => atMs >= fromMs && atMs < toMs)
  return {
    costs: {
      "always awake": { numWaits: 0, waitSec: 0, gibHours: NUM_EXPERTS * EXPERT_GIB * hours },
      reactive: spent(bestReactive.costs, 2),
      plan: spent(planned.costs, 2),
      oracle: oracleCost(judged, load.topics),
    },
    idleMs: bestReactive.idleMs,
    wape: planned.wape,
    hours,
  }
}

/** Returns where the half and the whole of the first part end. */
export function learntUntil(load: ScaleLoad): readonly [half: number, end: number] {
  return [windowAt(load, LEARNT_PART / 2), windowAt(load, LEARNT_PART)]
}

/** Returns what was spent between a time and the one before it. */
export function spent(costs: readonly ResidencyCost[], i: number): ResidencyCost {
  const [before, after] = [costs[i - 1]!, costs[i]!]
  return {
    numWaits: after.numWaits - before.numWaits,
    waitSec: after.waitSec - before.waitSec,
    gibHours: after.gibHours - before.gibHours,
  }
}

export function priceOf({ gibHours, waitSec }: ResidencyCost): number {
  return gibHours + GIB_HOURS_PER_SEC * waitSec
}

function windowAt({ startMs, endMs }: ScaleLoad, part: number): number {
  return startMs + Math.floor((part * (endMs - startMs)) / FORECAST_WINDOW_MS) * FORECAST_WINDOW_MS
}

function runReactive({ requests, topics }: ScaleLoad, idleMs: number, timesMs: readonly number[]): ResidencyCost[] {
  const residency = new Residency(idleMs)
  const costs: ResidencyCost[] = []
  const until = (ms: number): void => {
    while (costs.length < timesMs.length && timesMs[costs.length]! <= ms)
      costs.push(residency.cost(timesMs[costs.length]!))
  }
  for (const request of requests) {
    until(request.atMs)
    residency.use(request, topics[request.topic]!)
  }
  until(Number.POSITIVE_INFINITY)
  return costs
}

function leastOf<A>(choices: readonly A[], price: (choice: A) => number): A {
  const prices = choices.map(price)
  return choices[prices.indexOf(Math.min(...prices))]!
}
