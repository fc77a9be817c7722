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
})
