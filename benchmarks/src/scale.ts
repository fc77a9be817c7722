import { readFileSync } from "node:fs"
import { basename } from "node:path"
import { parseTrace } from "./load/parseTrace.ts"
import { oracleCost, Residency, type ResidencyCost } from "./scale/Residency.ts"
import {
  type LearntLoad,
  learnLoad,
  type PlannedRun,
  type PlanTuning,
  runPlanned,
  WINDOW_MS,
} from "./scale/runPlanned.ts"
import { loadOfTrace, NUM_EXPERTS, type ScaleLoad } from "./scale/ScaleLoad.ts"
import { synthesizeDays } from "./scale/synthesizeDays.ts"
import type { Measurement, Suite } from "./Suite.ts"

const SEEDS = [1, 2, 3, 4, 5]
/** The first part learns and tunes, the rest judges. */
const LEARNT_PART = 0.6
const USUAL_RATE = 20
const MINUTE_MS = 60_000
/** What a second of a user's waiting is worth in memory, to tune by: GiB for an hour. */
const GIB_HOURS_PER_SEC = 1
const IDLE_MS = [1, 2, 5, 10, 20, 40, 80, 160, 320].map((minutes) => minutes * MINUTE_MS)
/** Without end, nothing is kept for what is forecast: the plan of a load that cannot be. */
const LEAST_USES = [0.05, 0.1, 0.2, 0.3, 0.5, 1, Number.POSITIVE_INFINITY]
const QUIET_PLANS = [1, 3]

const NAMES = ["always awake", "reactive", "forecast plan", "forecast plan, memory as reactive", "oracle"] as const
type Name = (typeof NAMES)[number]

/** Who wakes and sleeps experts best: always awake, on demand, by forecast and calendar, or by knowing the future. */
export const scale: Suite = {
  name: "scale",
  question:
    "How often do requests wait for an expert to wake, and how much memory do awake experts hold: when all are awake, on demand, by forecast and calendar, by knowing the future?",
  takes: [],
  compares: false,
  flags: [
    {
      name: "trace",
      value: "<file.csv>",
      purpose: "columns TIMESTAMP, ContextTokens, GeneratedTokens (two synthetic weeks with events)",
    },
    {
      name: "rate",
      value: "<n>",
      purpose: `requests an hour on average: the trace's time is stretched (${USUAL_RATE})`,
    },
  ],
  plot: "bars",
  variant: ({ flags }) => (flags.trace === undefined ? "synthetic" : basename(flags.trace, ".csv")),
  async *run({ flags, report, expect, signal }) {
    const rate = parseRate(flags.rate)
    const trace = flags.trace === undefined ? undefined : parseTrace(readFileSync(flags.trace, "utf8"), flags.trace)
    const measurements = NAMES.flatMap((name) => measure(name, []))
    expect(measurements.length)
    const runs: Judged[] = []
    for (const seed of SEEDS) {
      report(`tuning and judging, seed ${seed} of ${SEEDS.length}`)
      await Bun.sleep(0)
      signal.throwIfAborted()
      runs.push(judge(trace === undefined ? synthesizeDays(rate, seed) : loadOfTrace(trace, rate, seed)))
    }
    for (const name of NAMES) yield* measure(name, runs)
  },
}

function parseRate(text: string | undefined): number {
  const rate = Number(text ?? USUAL_RATE)
  if (text === "" || !(rate > 0) || !Number.isFinite(rate)) throw new Error(`--rate ${text}: expected a number above 0`)
  return rate
}

/** What the later part cost each contender, and what was chosen for it on the first. */
interface Judged {
  readonly costs: Readonly<Record<Name, ResidencyCost>>
  readonly idleMs: number
  readonly tuning: PlanTuning
  readonly method: string
  readonly wape: number
  readonly hours: number
}

/** Learns on the first half of the first part, tunes on its second, learns again on all of it, and runs everybody on the rest. */
function judge(load: ScaleLoad): Judged {
  const at = (part: number): number =>
    load.startMs + Math.floor((part * (load.endMs - load.startMs)) / WINDOW_MS) * WINDOW_MS
  const [half, fromMs, toMs] = [at(LEARNT_PART / 2), at(LEARNT_PART), at(1)]
  const idleMs = leastOf(IDLE_MS, (idleMs) => priceOf(runReactive(load, idleMs, half, fromMs)))
  const early = learnLoad(load, half)
  const tried = tunings().map((tuning) => ({ tuning, ...runPlanned(load, early, tuning, half, fromMs) }))
  const tuning = leastOf(tried, ({ cost }) => priceOf(cost)).tuning
  const mostGibHours = runReactive(load, idleMs, half, fromMs).gibHours
  const fits = ({ cost }: PlannedRun): boolean => cost.gibHours <= mostGibHours
  const asLarge = tried.some(fits)
    ? leastOf(tried.filter(fits), ({ cost }) => cost.waitSec)
    : leastOf(tried, ({ cost }) => cost.gibHours)
  const learnt = learnLoad(load, fromMs)
  const planned = runPlanned(load, learnt, tuning, fromMs, toMs)
  const judged = load.requests.filter(({ atMs }) => atMs >= fromMs && atMs < toMs)
  const always = new Residency(0)
  always.keep(new Uint8Array(NUM_EXPERTS).fill(1), fromMs - MINUTE_MS)
  for (const request of judged) always.use(request, load.topics[request.topic]!)
  const costs = {
    "always awake": always.end(toMs),
    reactive: runReactive(load, idleMs, fromMs, toMs),
    "forecast plan": planned.cost,
    "forecast plan, memory as reactive": runPlanned(load, learnt, asLarge.tuning, fromMs, toMs).cost,
    oracle: oracleCost(judged, load.topics),
  }
  return { costs, idleMs, tuning, method: methodOf(learnt), wape: planned.wape, hours: (toMs - fromMs) / 3_600_000 }
}

function tunings(): readonly PlanTuning[] {
  return IDLE_MS.flatMap((idleMs) =>
    LEAST_USES.flatMap((leastUses) => QUIET_PLANS.map((quietPlans) => ({ leastUses, quietPlans, idleMs }))),
  )
}

function runReactive({ requests, topics }: ScaleLoad, idleMs: number, fromMs: number, toMs: number): ResidencyCost {
  const residency = new Residency(idleMs)
  for (const request of requests) {
    if (request.atMs >= fromMs && request.atMs < toMs) residency.use(request, topics[request.topic]!)
  }
  return residency.end(toMs)
}

function leastOf<A>(choices: readonly A[], price: (choice: A) => number): A {
  const prices = choices.map(price)
  return choices[prices.indexOf(Math.min(...prices))]!
}

function priceOf({ gibHours, waitSec }: ResidencyCost): number {
  return gibHours + GIB_HOURS_PER_SEC * waitSec
}

function methodOf({ forecast }: LearntLoad): string {
  const { level, trend, period } = forecast.smoothing
  if (period > 0) return "season"
  return trend > 0 ? "trend" : level === 1 ? "last value" : "average"
}

function measure(contender: Name, runs: readonly Judged[]): readonly Measurement[] {
  const of = (value: (cost: ResidencyCost) => number): number[] => runs.map(({ costs }) => value(costs[contender]))
  const hours = `${Math.round(runs[0]?.hours ?? 0)} h`
  return [
    { name: "requests that waited", contender, unit: "waits", samples: of(({ numWaits }) => numWaits) },
    { name: "waiting, all together", contender, unit: "s", samples: of(({ waitSec }) => waitSec) },
    { name: `memory, ${hours}`, contender, unit: "GiB·h", samples: of(({ gibHours }) => gibHours) },
    {
      name: `memory, and ${GIB_HOURS_PER_SEC} GiB·h for each second waited`,
      contender,
      unit: "GiB·h",
      samples: of(priceOf),
      ...noteOf(contender, runs),
    },
  ]
}

/** What was chosen for a contender, seed by seed where it differs. */
function noteOf(contender: Name, runs: readonly Judged[]): { readonly note?: string } {
  const each = (value: (run: Judged) => string | number): string => [...new Set(runs.map(value))].join(" or ")
  if (contender === "reactive") return { note: `asleep after ${each(({ idleMs }) => idleMs / MINUTE_MS)} min` }
  if (contender !== "forecast plan") return {}
  const error = Math.round((100 * runs.reduce((sum, { wape }) => sum + wape, 0)) / runs.length)
  const idle = each(({ tuning }) => tuning.idleMs / MINUTE_MS)
  const uses = each(({ tuning }) => (Number.isFinite(tuning.leastUses) ? tuning.leastUses : "no number of"))
  return {
    note: `by ${each(({ method }) => method)}, off by ${error} %; kept from ${uses} uses a window on, else asleep after ${idle} min`,
  }
}
