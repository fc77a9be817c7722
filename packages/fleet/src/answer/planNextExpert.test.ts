import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { type FailoverState, planNextExpert } from "./planNextExpert.ts"

/** Five experts: 0 has the standby 3, 4 is the generalist; 2 does not suit. */
const state = (change: Partial<FailoverState> = {}): FailoverState => ({
  order: [0, 1, 2, 3, 4],
  base: [0.9, 0.6, 0.1, 0, 0],
  leastScore: 0.2,
  standbys: [3, -1, -1, -1, -1],
  generalist: 4,
  tried: [],
  named: undefined,
  hasSent: false,
  continues: [false, false, false, true, true],
  ...change,
})

/** Everyone who is asked if all fail. */
function ladder(change: Partial<FailoverState> = {}): number[] {
  const tried: number[] = []
  for (;;) {
    const next = planNextExpert(state({ ...change, tried }))
    if (next === undefined) return tried
    tried.push(next)
  }
}

describe("planNextExpert", () => {
  test("standby, next best that suits, generalist, nobody", () => expect(ladder()).toEqual([0, 3, 1, 4]))
  test("without a generalist everybody is asked", () => expect(ladder({ generalist: -1 })).toEqual([0, 3, 1, 2, 4]))
  test("the generalist goes first where it scores best", () =>
    expect(ladder({ order: [4, 0, 1], base: [0.5, 0.4, 0, 0, 0.9] })).toEqual([4, 0, 1]))
  test("a named expert is followed by standbys only", () => {
    expect(ladder({ named: 0 })).toEqual([0, 3])
    expect(ladder({ named: 1 })).toEqual([1])
  })
  test("the standby of one that cannot be asked goes before the next best", () => {
    expect(ladder({ order: [1, 2, 3, 4] })).toEqual([3, 1, 4])
    expect(ladder({ order: [1, 3], named: 0 })).toEqual([3])
  })
  test("once text has left, only the standby of who failed may go on, if it can", () => {
    expect(planNextExpert(state({ tried: [0], hasSent: true }))).toBe(3)
    expect(planNextExpert(state({ tried: [0], hasSent: true, continues: [] }))).toBeUndefined()
    expect(planNextExpert(state({ tried: [1], hasSent: true }))).toBeUndefined()
  })
  test("whatever is given: nobody is asked twice, nobody who cannot be, and it ends", () => {
    const places = fc.shuffledSubarray([0, 1, 2, 3, 4])
    const arb = fc.record({
      order: places,
      base: fc.array(fc.double({ min: 0, max: 2, noNaN: true }), { minLength: 5, maxLength: 5 }),
      standbys: fc.array(fc.integer({ min: -1, max: 4 }), { minLength: 5, maxLength: 5 }),
      generalist: fc.integer({ min: -1, max: 4 }),
      named: fc.constantFrom(undefined, undefined, 0, 3),
    })
    fc.assert(
      fc.property(arb, (change) => {
        const asked = ladder(change)
        expect(new Set(asked).size).toBe(asked.length)
        for (const place of asked) expect(change.order).toContain(place)
      }),
    )
  })
})
