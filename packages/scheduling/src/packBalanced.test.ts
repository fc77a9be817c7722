import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { type Packing, packBalanced } from "./packBalanced.ts"

interface Problem {
  readonly numPacks: number
  readonly weights: readonly number[]
  readonly labels: readonly number[]
}

/** Items of few labels, no more of one than there are packs. */
const problemArb: fc.Arbitrary<Problem> = fc
  .record({
    numPacks: fc.integer({ min: 2, max: 5 }),
    room: fc.integer({ min: 1, max: 5 }),
    numSpare: fc.integer({ min: 0, max: 1 }),
  })
  .chain(({ numPacks, room, numSpare }) => {
    const numItems = numPacks * room
    const labels = fc.shuffledSubarray(
      Array.from({ length: numPacks * (room + numSpare) }, (_, i) => Math.floor(i / numPacks)),
      { minLength: numItems, maxLength: numItems },
    )
    // All different: the heaviest is one, and the best exchange.
    const weights = fc.uniqueArray(fc.nat({ max: 1e6 }), { minLength: numItems, maxLength: numItems })
    return fc.record({ numPacks: fc.constant(numPacks), weights, labels })
  })

const itemsOf = ({ packs }: Packing, pack: number): number[] => [...packs.keys()].filter((item) => packs[item] === pack)
const packsOf = (packing: Packing, numPacks: number): number[][] =>
  Array.from({ length: numPacks }, (_, pack) => itemsOf(packing, pack))
const numTwins = (packs: readonly number[][], labels: readonly number[]): number =>
  packs.reduce((sum, items) => sum + items.length - new Set(items.map((item) => labels[item])).size, 0)
const loadOf = (items: readonly number[], weights: readonly number[]): number =>
  items.reduce((sum, item) => sum + weights[item]!, 0)

/** Heaviest first into the lightest pack that has room, one without the label where there is one. */
function packGreedily({ numPacks, weights, labels }: Problem): number[][] {
  const packs = Array.from({ length: numPacks }, (): number[] => [])
  for (const item of [...weights.keys()].sort((a, b) => weights[b]! - weights[a]!)) {
    const open = packs.filter(({ length }) => length < weights.length / numPacks)
    const apart = open.filter((items) => items.every((other) => labels[other] !== labels[item]))
    const from = apart.length > 0 ? apart : open
    from.reduce((best, one) => (loadOf(one, weights) < loadOf(best, weights) ? one : best)).push(item)
  }
  return packs
}

/** Of all exchanges of two items that leave fewer labels together, the one with the lightest heavier pack. */
function bestExchange(packs: readonly number[][], { weights, labels }: Problem): number[][] {
  const exchanges = packs.flatMap((one, a) =>
    packs.slice(0, a).flatMap((other, b) =>
      one.flatMap((item, i) =>
        other.map((back, j) => {
          const after = packs.with(a, one.with(i, back)).with(b, other.with(j, item))
          return { after, heavier: Math.max(loadOf(after[a]!, weights), loadOf(after[b]!, weights)) }
        }),
      ),
    ),
  )
  const helpful = exchanges.filter(({ after }) => numTwins(after, labels) < numTwins(packs, labels))
  return helpful.reduce((best, one) => (one.heavier < best.heavier ? one : best)).after
}

describe("packBalanced", () => {
  test("every pack is full, and no label lies twice in one", () => {
    fc.assert(
      fc.property(problemArb, ({ numPacks, weights, labels }) => {
        const packing = packBalanced(weights, numPacks, labels)
        const packs = packsOf(packing, numPacks)
        for (const items of packs) {
          const ranks = items.map((item) => packing.ranks[item]!)
          expect(ranks.toSorted((a, b) => a - b)).toEqual(
            Array.from({ length: weights.length / numPacks }, (_, r) => r),
          )
        }
        expect(numTwins(packs, labels)).toBe(0)
      }),
    )
  })

  test("where no label had to give way, it is the greedy packing", () => {
    fc.assert(
      fc.property(problemArb, (problem) => {
        const greedy = packGreedily(problem)
        fc.pre(problem.weights.length > problem.numPacks && numTwins(greedy, problem.labels) === 0)
        const packing = packBalanced(problem.weights, problem.numPacks, problem.labels)
        expect(packsOf(packing, problem.numPacks)).toEqual(greedy.map((items) => items.toSorted((a, b) => a - b)))
      }),
    )
  })

  test("labels that lie twice are set apart by exchanges, each the one with the lightest heavier pack", () => {
    fc.assert(
      fc.property(problemArb, (problem) => {
        const { numPacks, weights, labels } = problem
        let packs = packGreedily(problem)
        fc.pre(numTwins(packs, labels) > 0)
        while (numTwins(packs, labels) > 0) packs = bestExchange(packs, problem)
        const found = packsOf(packBalanced(weights, numPacks, labels), numPacks)
        expect(found).toEqual(packs.map((items) => items.toSorted((a, b) => a - b)))
      }),
      { numRuns: 60 },
    )
  })

  test("of a label with more items than packs no more lie together than must", () => {
    const { packs } = packBalanced([9, 8, 7, 6, 5, 4], 2, [0, 0, 0, 0, 1, 1])
    expect([0, 1].map((pack) => [...packs].filter((other, item) => other === pack && item < 4).length)).toEqual([2, 2])
  })

  test("packs of one item are the items in their order; what does not divide is refused", () => {
    expect(packBalanced([1, 3, 2], 3)).toEqual({ packs: Int32Array.of(0, 1, 2), ranks: new Int32Array(3) })
    expect(() => packBalanced([1, 3, 2], 2)).toThrow("3 items do not fill 2 packs evenly")
  })
})
