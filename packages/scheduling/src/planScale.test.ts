import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import {
  type Demand,
  type EventCalendar,
  expectDemand,
  fitForecast,
  parseCalendar,
  occurrencesBetween,
  planScale,
  type ScalePolicy,
  type ScaleState,
} from "./index.ts"

const NUM_EXPERTS = 6
const POLICY: ScalePolicy = { leastUses: 1, topK: 2, leadMs: 100, quietPlans: 3 }
const nobody = new Uint8Array(NUM_EXPERTS)
const asleep: ScaleState = { copies: new Uint8Array(NUM_EXPERTS), numQuiet: new Uint16Array(NUM_EXPERTS) }
const demand = (fromMs: number, ...uses: number[]): Demand => ({
  fromMs,
  toMs: fromMs + 1000,
  uses: Float64Array.from({ length: NUM_EXPERTS }, (_, e) => uses[e] ?? 0),
  copies: new Uint8Array(NUM_EXPERTS),
})

describe("planScale", () => {
  test("never fewer than topK are awake, and all that were used or are expected to be are, whatever came before", () => {
    const usesArb = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { maxLength: NUM_EXPERTS })
    const usedArb = fc.uint8Array({ minLength: NUM_EXPERTS, maxLength: NUM_EXPERTS, max: 1 })
    const policyArb = fc.record({
      leastUses: fc.double({ min: 0, max: 100, noNaN: true }),
      topK: fc.integer({ min: 1, max: NUM_EXPERTS }),
      leadMs: fc.nat({ max: 3000 }),
      quietPlans: fc.integer({ min: 1, max: 5 }),
    })
    fc.assert(
      fc.property(fc.array(fc.tuple(usesArb, usedArb), { maxLength: 12 }), policyArb, (windows, policy) => {
        let state = asleep
        for (const [i, [uses, used]] of windows.entries()) {
          const plan = planScale(state, [demand(i * 1000, ...uses)], used, i * 1000, policy)
          expect(plan.awake.length).toBeGreaterThanOrEqual(policy.topK)
          expect(plan.awake.toSorted()).toEqual([...plan.copies.keys()].filter((e) => plan.copies[e]! > 0))
          const wanted = [...used.keys()].filter((e) => used[e]! > 0 || (uses[e] ?? 0) >= policy.leastUses)
          expect(plan.awake).toEqual(expect.arrayContaining(wanted))
          state = plan
        }
      }),
    )
  })

  test("experts wake at once, and fall asleep after a number of quiet plans in a row", () => {
    const busy = [demand(0, 9, 9, 9)]
    const quiet = [demand(0, 9, 9)]
    let state: ScaleState = asleep
    const thirdAfter = (demands: readonly Demand[]): number => {
      state = planScale(state, demands, nobody, 0, POLICY)
      return state.copies[2]!
    }
    expect([busy, quiet, quiet, busy, quiet, quiet, quiet].map(thirdAfter)).toEqual([1, 1, 1, 1, 1, 1, 0])
  })

  test("who is used stays awake, though nobody expected it", () => {
    let state: ScaleState = asleep
    const lastAfter = (isUsed: boolean): number => {
      state = planScale(state, [demand(0, 9, 9)], Uint8Array.of(0, 0, 0, 0, 0, isUsed ? 1 : 0), 0, POLICY)
      return state.copies[5]!
    }
    expect([false, true, false, false, true, false, false, false].map(lastAfter)).toEqual([0, 1, 1, 1, 1, 1, 1, 0])
  })

  test("what is needed within the lead time is woken now, what comes later is not", () => {
    const demands = [demand(0, 5, 5), demand(1000, 5, 5, 5)]
    expect(planScale(asleep, demands, nobody, 899, POLICY).awake).toEqual([0, 1])
    expect(planScale(asleep, demands, nobody, 900, POLICY).awake).toEqual([0, 1, 2])
  })

  test("those that an event names come first, with as many copies as it asks for, and go when it is over", () => {
    const named = { ...demand(1000, 5, 5), copies: Uint8Array.of(0, 0, 0, 1, 2, 0) }
    const due = planScale(asleep, [demand(0, 5, 5), named], nobody, 950, POLICY)
    expect(due).toMatchObject({ awake: [4, 3, 0, 1], numNamed: 2, copies: Uint8Array.of(1, 1, 0, 1, 2, 0) })
    let state: ScaleState = due
    for (let i = 0; i < POLICY.quietPlans; i++) state = planScale(state, [demand(2000, 5, 5)], nobody, 2000, POLICY)
    expect(state.copies).toEqual(Uint8Array.of(1, 1, 0, 0, 0, 0))
  })
})

describe("expectDemand", () => {
  const shares = Float64Array.of(2, 1, 1, 0)
  const calendarOf = (factor: number): EventCalendar => {
    const experts = [{ layer: 1, expertIds: [3], copies: 2 }]
    const event = { name: "livestream", on: "daily", at: "00:30", minutes: 30, factor, experts }
    return parseCalendar({ timeZone: "UTC", events: [event] }, "events.json")
  }
  const lull = calendarOf(0.5)
  const HOUR_MS = 3_600_000
  const of = (layer: number, calendar = calendarOf(3)): readonly Demand[] => {
    const forecast = fitForecast([10, 10, 10, 10])
    const occurrences = occurrencesBetween(calendar, 0, 2 * HOUR_MS)
    return expectDemand({ forecast, shares, layer, occurrences, windowMs: HOUR_MS }, 0, 2)
  }

  test("windows are cut where an event starts, and what it adds goes to its experts", () => {
    expect(of(1).map(({ fromMs, uses }) => [fromMs / HOUR_MS, ...uses])).toEqual([
      [0, 20, 10, 10, 0],
      [0.5, 20, 10, 10, 80],
      [1, 20, 10, 10, 0],
    ])
  })

  test("in layers that it names no experts of, an event raises all alike", () => {
    expect([...of(0)[1]!.uses]).toEqual([60, 30, 30, 0])
  })

  test("its experts are asked for by name as long as it lasts, whatever the forecast; a lull asks for nobody", () => {
    expect(of(1).map(({ copies }) => [...copies])).toEqual([
      [0, 0, 0, 0],
      [0, 0, 0, 2],
      [0, 0, 0, 0],
    ])
    expect(
      of(0)
        .flatMap(({ copies }) => [...copies])
        .some((count) => count > 0),
    ).toBe(false)
    expect(
      of(1, lull)
        .flatMap(({ copies }) => [...copies])
        .some((count) => count > 0),
    ).toBe(false)
  })
})
