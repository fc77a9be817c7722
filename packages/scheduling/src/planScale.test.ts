import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import {
  createScaleState,
  type Demand,
  expectDemand,
  fitForecast,
  parseCalendar,
  occurrencesBetween,
  planScale,
  type ScalePolicy,
  type ScaleState,
  withoutEvents,
} from "./index.ts"

const NUM_EXPERTS = 6
const POLICY: ScalePolicy = {
  leastUses: 1,
  usesPerCopy: Number.POSITIVE_INFINITY,
  mostCopies: 1,
  topK: 2,
  leadMs: 100,
  quietPlans: 3,
}
const asleep: ScaleState = { copies: new Uint8Array(NUM_EXPERTS), numQuiet: new Uint16Array(NUM_EXPERTS) }
const demand = (fromMs: number, ...uses: number[]): Demand => ({
  fromMs,
  toMs: fromMs + 1000,
  uses: Float64Array.from({ length: NUM_EXPERTS }, (_, e) => uses[e] ?? 0),
})

describe("planScale", () => {
  test("never fewer than topK are awake, and none has more copies than allowed, whatever is expected", () => {
    const usesArb = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { maxLength: NUM_EXPERTS })
    const policyArb = fc.record({
      leastUses: fc.double({ min: 0, max: 100, noNaN: true }),
      usesPerCopy: fc.constantFrom(1, 10, Number.POSITIVE_INFINITY),
      mostCopies: fc.integer({ min: 1, max: 4 }),
      topK: fc.integer({ min: 1, max: NUM_EXPERTS }),
      leadMs: fc.nat({ max: 3000 }),
      quietPlans: fc.integer({ min: 1, max: 5 }),
    })
    fc.assert(
      fc.property(fc.array(usesArb, { maxLength: 12 }), policyArb, (windows, policy) => {
        let state = createScaleState(NUM_EXPERTS)
        for (const [i, uses] of windows.entries()) {
          const plan = planScale(state, [demand(i * 1000, ...uses)], i * 1000, policy)
          expect(plan.numAwake).toBeGreaterThanOrEqual(policy.topK)
          expect(Math.max(...plan.copies)).toBeLessThanOrEqual(policy.mostCopies)
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
      state = planScale(state, demands, 0, POLICY)
      return state.copies[2]!
    }
    expect([busy, quiet, quiet, busy, quiet, quiet, quiet].map(thirdAfter)).toEqual([1, 1, 1, 1, 1, 1, 0])
  })

  test("what is needed within the lead time is woken now, and the plan says when to look again for what comes later", () => {
    const demands = [demand(0, 5, 5), demand(1000, 5, 5, 5)]
    const early = planScale(asleep, demands, 0, POLICY)
    expect([...early.copies]).toEqual([1, 1, 0, 0, 0, 0])
    expect(early.nextWakeMs).toBe(900)
    const due = planScale(early, demands, 900, POLICY)
    expect([...due.copies]).toEqual([1, 1, 1, 0, 0, 0])
    expect(due.nextWakeMs).toBeUndefined()
  })

  test("an expert has as many copies as its uses need", () => {
    const policy = { ...POLICY, usesPerCopy: 10, mostCopies: 3 }
    expect([...planScale(asleep, [demand(0, 31, 20, 10.5, 1)], 0, policy).copies]).toEqual([3, 2, 2, 1, 0, 0])
  })
})

describe("expectDemand", () => {
  const shares = Float64Array.of(2, 1, 1, 0)
  const calendar = parseCalendar(
    {
      timeZone: "UTC",
      events: [
        {
          name: "livestream",
          on: "daily",
          at: "00:30",
          minutes: 30,
          factor: 3,
          experts: [{ layer: 1, expertIds: [3] }],
        },
      ],
    },
    "events.json",
  )
  const HOUR_MS = 3_600_000
  const of = (layer: number): readonly Demand[] => {
    const forecast = fitForecast([10, 10, 10, 10])
    const occurrences = occurrencesBetween(calendar, 0, 2 * HOUR_MS)
    return expectDemand({ forecast, shares, layer, occurrences, windowMs: HOUR_MS, z: 0 }, 0, 2)
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

  test("a forecast is fitted on what the load would have been without events", () => {
    const occurrences = occurrencesBetween(calendar, 0, 2 * HOUR_MS)
    expect([...withoutEvents([10, 30, 10], 0, HOUR_MS / 2, occurrences)]).toEqual([10, 10, 10])
  })
})
