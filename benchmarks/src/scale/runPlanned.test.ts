import { describe, expect, test } from "bun:test"
import { learnLoad, runPlanned, WINDOW_MS } from "./runPlanned.ts"
import { synthesizeDays } from "./synthesizeDays.ts"

const load = synthesizeDays(20, 1)
const DAY_MS = 144 * WINDOW_MS
const untilMs = load.startMs + 8 * DAY_MS
const run = (leastUses: number, idleMs: number) =>
  runPlanned(load, learnLoad(load, untilMs), { leastUses, quietPlans: 1, idleMs }, untilMs, untilMs + 2 * DAY_MS).cost

describe("runPlanned", () => {
  test("a day's season is found in a synthetic week, and events are not taken for it", () => {
    const { forecast } = learnLoad(load, untilMs)
    expect(forecast.smoothing.period).toBe(144)
    const at = (hour: number): number => forecast.seasons[hour * 6]! + forecast.level
    expect(at(16)).toBeGreaterThan(4 * at(4))
    expect(at(20)).toBeLessThan(at(16))
  })

  test("the more experts are kept, the fewer wait and the more memory is held", () => {
    const [many, few] = [run(0.05, WINDOW_MS), run(2, WINDOW_MS)]
    expect(many.waitSec).toBeLessThan(few.waitSec)
    expect(many.gibHours).toBeGreaterThan(few.gibHours)
  })

  test("who keeps all awake lets nobody wait", () => {
    expect(run(0, WINDOW_MS)).toMatchObject({ numWaits: 0, waitSec: 0 })
  })
})
