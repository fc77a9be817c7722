import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { copiesPerExpert, domainLoads, type MoveCost, placeExperts, type Placement, planMoves } from "./index.ts"

const SHAPE = { numPlaces: 16, numDomains: 4, numGroups: 1, numNodes: 1, separatesCopies: true }
const CHEAP: MoveCost = { expertBytes: 1, bytesPerSec: 1e12, msPerToken: 1, numSteps: 1e6, maxMoves: 3 }
const loadArb = fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 12, maxLength: 12 })
const peak = (placement: Placement, load: readonly number[]): number => Math.max(...domainLoads(placement, load))

function applyMoves(placement: Placement, moves: ReturnType<typeof planMoves>): Placement {
  const expertIds = placement.expertIds.slice()
  for (const { place, expertId } of moves) expertIds[place] = expertId
  return { ...placement, expertIds }
}

describe("planMoves", () => {
  test("a few at a time, it arrives at the wanted balance, and no expert is ever without a copy", () => {
    fc.assert(
      fc.property(loadArb, loadArb, (before, now) => {
        const wanted = placeExperts(now, SHAPE)
        let placement = placeExperts(before, SHAPE)
        const start = peak(placement, now)
        for (let batch = 0; ; batch++) {
          expect(batch).toBeLessThan(20)
          const moves = planMoves(placement, wanted, now, CHEAP)
          if (moves.length === 0) break
          expect(moves.length).toBeLessThanOrEqual(CHEAP.maxMoves)
          placement = applyMoves(placement, moves)
          expect(Math.min(...copiesPerExpert(placement.expertIds, 12))).toBeGreaterThanOrEqual(1)
        }
        // Either it was not better to begin with, or it was reached.
        expect(peak(placement, now)).toBeLessThanOrEqual(Math.min(start, peak(wanted, now)) + 1e-9)
      }),
    )
  })

  test("nothing moves where the saving does not pay for the bytes", () => {
    const load = [90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86]
    const wanted = placeExperts(load, SHAPE)
    const current = placeExperts(load.toReversed(), SHAPE)
    const saved = peak(current, load) - peak(wanted, load)
    const cost: MoveCost = { expertBytes: 1e6, bytesPerSec: 1e9, msPerToken: 0.001, numSteps: 1, maxMoves: 4 }
    // A move takes 1 ms, and at most 16 are needed.
    expect(saved).toBeGreaterThan(0)
    expect(planMoves(current, wanted, load, { ...cost, numSteps: 16_000 / saved + 1 })).not.toEqual([])
    expect(planMoves(current, wanted, load, { ...cost, numSteps: 1000 / saved - 1 })).toEqual([])
  })

  test("the same domains in another order are no moves", () => {
    const load = [9, 5, 3, 1]
    const current: Placement = { numDomains: 2, expertIds: Int32Array.of(0, 3, 1, 2) }
    expect(planMoves(current, { numDomains: 2, expertIds: Int32Array.of(2, 1, 3, 0) }, load, CHEAP)).toEqual([])
  })

  test("experts of one copy change places in one batch", () => {
    const load = [9, 8, 1, 1]
    const current: Placement = { numDomains: 2, expertIds: Int32Array.of(0, 1, 2, 3) }
    const wanted: Placement = { numDomains: 2, expertIds: Int32Array.of(0, 2, 1, 3) }
    expect(planMoves(current, wanted, load, CHEAP)).toEqual([
      { place: 1, expertId: 2 },
      { place: 2, expertId: 1 },
    ])
  })

  test("domains are matched with the wanted ones that they hold most of, and nothing moves for less than it costs", () => {
    const load = [1, 1, 5, 1, 1, 1]
    const current: Placement = { numDomains: 2, expertIds: Int32Array.of(0, 1, 2, 3, 4, 5) }
    // In order, four would move; the other way round two do, and the fullest domain loses nothing.
    const wanted: Placement = { numDomains: 2, expertIds: Int32Array.of(2, 3, 4, 0, 1, 5) }
    expect(planMoves(current, wanted, load, CHEAP)).toEqual([])
    const heavy = [3, 3, 3, 1, 1, 1]
    expect(planMoves(current, wanted, heavy, { ...CHEAP, maxMoves: 2 })).toEqual([
      { place: 2, expertId: 5 },
      { place: 5, expertId: 2 },
    ])
    // Two moves of 1 ms each, to save 2 tokens of 1 ms: paid back by the second step, not by the first.
    const even: MoveCost = { expertBytes: 1e6, bytesPerSec: 1e9, msPerToken: 1, numSteps: 1, maxMoves: 2 }
    expect(planMoves(current, wanted, heavy, even)).toEqual([])
    expect(planMoves(current, wanted, heavy, { ...even, numSteps: 1.01 }).length).toBe(2)
  })

  test("of several exchanges the one that balances most comes first", () => {
    const load = [3, 50, 2, 40, 1, 1, 1, 1, 2, 1, 1, 1, 1, 1]
    const inOrder = [...load.keys()]
    const exchanged = inOrder.with(0, 7).with(7, 0).with(1, 8).with(8, 1).with(2, 9).with(9, 2)
    const current: Placement = { numDomains: 2, expertIds: Int32Array.from(inOrder) }
    const wanted: Placement = { numDomains: 2, expertIds: Int32Array.from(exchanged) }
    expect(planMoves(current, wanted, load, { ...CHEAP, maxMoves: 2 })).toEqual([
      { place: 1, expertId: 8 },
      { place: 8, expertId: 1 },
    ])
  })

  test("a batch that has no room for an exchange is refused", () => {
    const current: Placement = { numDomains: 2, expertIds: Int32Array.of(0, 1) }
    expect(() => planMoves(current, current, [1, 1], { ...CHEAP, maxMoves: 1 })).toThrow(
      "maxMoves 1 allows no exchange",
    )
  })
})
