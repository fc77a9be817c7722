import { readFileSync } from "node:fs"
import { basename } from "node:path"
import { parseTrace } from "./load/parseTrace.ts"
import {
  type Contender,
  CONTENDERS,
  GIB_HOURS_PER_SEC,
  type Judged,
  judgeScale,
  MINUTE_MS,
  priceOf,
} from "./scale/judgeScale.ts"
import type { ResidencyCost } from "./scale/Residency.ts"
import { loadOfTrace } from "./scale/ScaleLoad.ts"
import { synthesizeDays } from "./scale/synthesizeDays.ts"
import type { Measurement, Suite } from "./Suite.ts"

const SEEDS = [1, 2, 3, 4, 5]
const USUAL_RATE = 20

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
    const measurements = CONTENDERS.flatMap((name) => measure(name, []))
    expect(measurements.length)
    const runs: Judged[] = []
    for (const seed of SEEDS) {
      report(`judging, seed ${seed} of ${SEEDS.length}`)
      await Bun.sleep(0)
      signal.throwIfAborted()
      runs.push(judgeScale(trace === undefined ? synthesizeDays(rate, seed) : loadOfTrace(trace, rate, seed)))
    }
    for (const name of CONTENDERS) yield* measure(name, runs)
  },
}

function parseRate(text: string | undefined): number {
  const rate = Number(text ?? USUAL_RATE)
  if (text === "" || !(rate > 0) || !Number.isFinite(rate)) throw new Error(`--rate ${text}: expected a number above 0`)
  return rate
}

function measure(contender: Contender, runs: readonly Judged[]): readonly Measurement[] {
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

/** What was chosen for the reactive one, seed by seed where it differs, and how good the plan's forecast was. */
function noteOf(contender: Contender, runs: readonly Judged[]): { readonly note?: string } {
  if (contender === "reactive") {
    const minutes = [...new Set(runs.map(({ idleMs }) => idleMs / MINUTE_MS))].join(" or ")
    return { note: `asleep after ${minutes} min, best for it on the first part` }
  }
  if (contender !== "plan") return {}
  const error = Math.round((100 * runs.reduce((sum, { wape }) => sum + wape, 0)) / runs.length)
  return { note: `as the service ships it; its forecast of the next 10 min is off by ${error} %` }
}
