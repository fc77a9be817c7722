/**
 * Chooses what the planner ships with, on the first part of loads; `bench scale` judges on the rest.
 *
 *     bun benchmarks/src/scale/chooseTuning.ts [trace.csv …]
 */
import { SCALE_TUNING, type ScaleTuning } from "@consilium/scheduling"
import { readFileSync } from "node:fs"
import { parseTrace } from "../load/parseTrace.ts"
import { learntUntil, priceOf, spent } from "./judgeScale.ts"
import { runPlanned } from "./runPlanned.ts"
import { loadOfTrace, type ScaleLoad } from "./ScaleLoad.ts"
import { synthesizeDays } from "./synthesizeDays.ts"

/** Requests an hour: a load that sleeps is a slow one. */
const RATES = [20, 60]
/** None of those that are judged. */
const SEED = 101
/** Without end, nothing is kept for what is forecast. */
const LEAST_USES = [0.05, 0.1, 0.2, 0.3, 0.5, 1, Number.POSITIVE_INFINITY]
const QUIET_PLANS = [2, 5, 10, 20, 40, 80]
const TUNINGS: readonly ScaleTuning[] = LEAST_USES.flatMap((leastUses) =>
  QUIET_PLANS.map((quietPlans) => ({ ...SCALE_TUNING, leastUses, quietPlans })),
)

const traces = Bun.argv.slice(2).map((path) => parseTrace(readFileSync(path, "utf8"), path))
const loads: readonly ScaleLoad[] = RATES.flatMap((rate) => [
  synthesizeDays(rate, SEED),
  ...traces.map((trace) => loadOfTrace(trace, rate, SEED)),
])
const prices = loads.map((load) => {
  const [half, end] = learntUntil(load)
  return TUNINGS.map((tuning) => priceOf(spent(runPlanned(load, tuning, [half, end]).costs, 1)))
})
/** How much dearer than the best choice for each load, on average. */
const regrets = TUNINGS.map(
  (_, t) => prices.reduce((sum, own) => sum + own[t]! / Math.min(...own) - 1, 0) / prices.length,
)
for (const [t, { leastUses, quietPlans }] of TUNINGS.entries()) {
  const each = prices.map((own) => `+${(100 * (own[t]! / Math.min(...own) - 1)).toFixed(1)} %`).join(" ")
  console.log(
    `kept from ${leastUses} uses, asleep after ${quietPlans} quiet plans: ${(100 * regrets[t]!).toFixed(1)} % (${each})`,
  )
}
console.log(`best: ${JSON.stringify(TUNINGS[regrets.indexOf(Math.min(...regrets))])}`)
