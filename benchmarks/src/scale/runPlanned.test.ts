import { PLAN_MS, SCALE_TUNING } from "@consilium/scheduling"
import { describe, expect, test } from "bun:test"
import { priceOf, spent } from "./judgeScale.ts"
import { runPlanned } from "./runPlanned.ts"
import type { ScaleLoad } from "./ScaleLoad.ts"
import { synthesizeDays } from "./synthesizeDays.ts"

const load = synthesizeDays(20, 1)
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const timesMs = [3, 5].map((days) => load.startMs + days * DAY_MS)
const run = (change: Partial<typeof SCALE_TUNING>, of: ScaleLoad = load) =>
  spent(runPlanned(of, { ...SCALE_TUNING, ...change }, timesMs).costs, 1)

describe("runPlanned", () => {
  test("the more experts are kept, the fewer wait and the more memory is held", () => {
    const [many, few] = [run({ leastUses: 0.02 }), run({ leastUses: 1 })]
    expect(many.waitSec).toBeLessThan(few.waitSec)
    expect(many.gibHours).toBeGreaterThan(few.gibHours)
  })

  test("who keeps all awake lets nobody wait", () => {
    expect(run({ leastUses: 0 })).toMatchObject({ numWaits: 0, waitSec: 0 })
  })

  test("a sales day costs less where it is in the calendar, and its first hours fewer waits", () => {
    const salesDay = load.startMs + 9 * DAY_MS
    const blind = { ...load, calendar: { timeZone: "UTC", events: [] } }
    const [knowing, unaware] = [load, blind].map((of) => {
      const { costs } = runPlanned(of, SCALE_TUNING, [salesDay, salesDay + 2 * HOUR_MS, salesDay + DAY_MS])
      return { numWaits: spent(costs, 1).numWaits, price: priceOf(spent([costs[0]!, costs[2]!], 1)) }
    })
    expect(knowing!.numWaits).toBeLessThan(unaware!.numWaits)
    expect(knowing!.price).toBeLessThan(unaware!.price)
  })

  test("a plan knows nothing of the requests to come", () => {
    const untilMs = timesMs[0]!
    const past = { ...load, requests: load.requests.filter(({ atMs }) => atMs < untilMs) }
    const costs = (of: ScaleLoad) => runPlanned(of, SCALE_TUNING, [untilMs - PLAN_MS, untilMs]).costs
    expect(costs(past)).toEqual(costs(load))
  })
})
