import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { balancedness, copiesPerExpert, domainLoads, placeExperts, type PlacementShape } from "./index.ts"

/** Loads of the two layers in EPLB's README. */
const LAYERS = [
  [90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86],
  [20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27],
]
const EPLB: PlacementShape = { numPlaces: 16, numDomains: 8, numGroups: 4, numNodes: 2, separatesCopies: false }

/** Shapes whose copies can all lie apart: domains have no more places than there are experts. */
const problemArb = fc
  .record({
    numNodes: fc.integer({ min: 1, max: 2 }),
    domainsPerNode: fc.integer({ min: 1, max: 4 }),
    groupsPerNode: fc.integer({ min: 1, max: 2 }),
    groupSize: fc.integer({ min: 1, max: 6 }),
    spare: fc.nat({ max: 6 }),
  })
  .map(({ numNodes, domainsPerNode, groupsPerNode, groupSize, spare }) => {
    const perNode = groupsPerNode * groupSize
    const perDomain = Math.min(perNode, Math.ceil(perNode / domainsPerNode) + spare)
    const numDomains = numNodes * domainsPerNode
    const shape = { numPlaces: perDomain * numDomains, numDomains, numGroups: numNodes * groupsPerNode, numNodes }
    return { shape, numExperts: perNode * numNodes }
  })
  .chain(({ shape, numExperts }) =>
    fc.record({
      shape: fc.constant(shape),
      load: fc.array(fc.nat({ max: 1000 }), { minLength: numExperts, maxLength: numExperts }),
    }),
  )

function domainsOf(expertIds: Int32Array, numDomains: number): number[][] {
  const size = expertIds.length / numDomains
  return Array.from({ length: numDomains }, (_, domain) =>
    Array.from(expertIds.subarray(domain * size, (domain + 1) * size)),
  )
}

describe("placeExperts", () => {
  test("EPLB's golden cases, groups kept on nodes", () => {
    const golden = [
      [5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1],
      [7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1],
    ]
    const placements = LAYERS.map((load) => placeExperts(load, EPLB))
    expect(placements.map(({ expertIds }) => [...expertIds])).toEqual(golden)
    const balances = placements.map((placement, layer) => balancedness(placement, LAYERS[layer]!))
    expect(balances.map((balance) => balance.toFixed(4))).toEqual(["0.8277", "0.8050"])
  })

  test("EPLB's golden cases, its global policy where groups do not divide by nodes", () => {
    const golden = [
      [10, 6, 10, 7, 0, 2, 11, 4, 5, 9, 5, 4, 8, 3, 1, 1],
      [1, 10, 2, 4, 5, 11, 5, 0, 6, 7, 6, 3, 8, 8, 9, 7],
    ]
    const placements = LAYERS.map((load) => placeExperts(load, { ...EPLB, numGroups: 3 }))
    expect(placements.map(({ expertIds }) => [...expertIds])).toEqual(golden)
    const balances = placements.map((placement, layer) => balancedness(placement, LAYERS[layer]!))
    expect(balances.map((balance) => balance.toFixed(4))).toEqual(["0.9323", "0.8401"])
  })

  test("EPLB's golden balance without copies, and that of placing in order", () => {
    const shape = { ...EPLB, numPlaces: 12, numDomains: 4 }
    const packed = LAYERS.map((load) => balancedness(placeExperts(load, shape), load).toFixed(4))
    expect(packed).toEqual(["0.8358", "0.8377"])
    const inOrder = { numDomains: 4, expertIds: Int32Array.from({ length: 12 }, (_, e) => e) }
    expect(LAYERS.map((load) => balancedness(inOrder, load).toFixed(4))).toEqual(["0.7826", "0.5601"])
  })

  test("copies that EPLB puts into one domain lie apart where asked, at little cost in balance", () => {
    for (const load of LAYERS) {
      const together = placeExperts(load, { ...EPLB, numGroups: 3 })
      const apart = placeExperts(load, { ...EPLB, numGroups: 3, separatesCopies: true })
      expect(domainsOf(together.expertIds, 8).some((ids) => new Set(ids).size < ids.length)).toBe(true)
      expect(domainsOf(apart.expertIds, 8).every((ids) => new Set(ids).size === ids.length)).toBe(true)
      expect(balancedness(apart, load)).toBeGreaterThan(balancedness(together, load) - 0.05)
    }
  })

  test("every expert has a copy, and separated copies never share a domain where domains have no more places than experts", () => {
    fc.assert(
      fc.property(problemArb, fc.boolean(), ({ shape, load }, separatesCopies) => {
        const { expertIds, numDomains } = placeExperts(load, { ...shape, separatesCopies })
        expect(expertIds.length).toBe(shape.numPlaces)
        expect(Math.min(...copiesPerExpert(expertIds, load.length))).toBeGreaterThanOrEqual(1)
        if (!separatesCopies) return
        for (const ids of domainsOf(expertIds, numDomains)) expect(new Set(ids).size).toBe(ids.length)
      }),
    )
  })

  test("a group's experts stay on one node", () => {
    fc.assert(
      fc.property(problemArb, ({ shape, load }) => {
        const { expertIds } = placeExperts(load, { ...shape, separatesCopies: true })
        const nodes = domainsOf(expertIds, shape.numNodes)
        const groupSize = load.length / shape.numGroups
        for (let e = 0; e < load.length; e++) {
          const first = e - (e % groupSize)
          expect(nodes.map((ids) => ids.includes(e))).toEqual(nodes.map((ids) => ids.includes(first)))
        }
      }),
    )
  })

  test("domain loads add up to the load, and are even where the load is", () => {
    fc.assert(
      fc.property(problemArb, ({ shape, load }) => {
        const placement = placeExperts(load, { ...shape, separatesCopies: true })
        const sum = domainLoads(placement, load).reduce((all, one) => all + one, 0)
        expect(sum).toBeCloseTo(
          load.reduce((all, one) => all + one, 0),
          6,
        )
      }),
    )
    const even = placeExperts([5, 5, 5, 5], { ...EPLB, numPlaces: 8, numDomains: 2, numGroups: 1, numNodes: 1 })
    expect(balancedness(even, [5, 5, 5, 5])).toBe(1)
    expect(balancedness(even, [0, 0, 0, 0])).toBe(1)
  })

  test("of equally loaded experts the lower ones are copied; more copies than domains lie together where they must", () => {
    const shape = { ...EPLB, numGroups: 1, numNodes: 1, numDomains: 2, separatesCopies: true }
    expect([...copiesPerExpert(placeExperts([5, 5, 5, 5], { ...shape, numPlaces: 6 }).expertIds, 4)]).toEqual([
      2, 2, 1, 1,
    ])
    const crowded = placeExperts([1, 9], { ...shape, numPlaces: 6 })
    expect([...copiesPerExpert(crowded.expertIds, 2)]).toEqual([2, 4])
    expect(domainsOf(crowded.expertIds, 2).map((ids) => ids.toSorted())).toEqual([
      [0, 1, 1],
      [0, 1, 1],
    ])
  })

  test("a shape that does not divide is refused", () => {
    expect(() => placeExperts(LAYERS[0]!, { ...EPLB, numPlaces: 8 })).toThrow("8 places hold no copy of each of 12")
    expect(() => placeExperts(LAYERS[0]!, { ...EPLB, numPlaces: 17 })).toThrow("17 places do not divide by 8 domains")
    const oddGroups = { ...EPLB, numGroups: 5, numNodes: 1 }
    expect(() => placeExperts(LAYERS[0]!, oddGroups)).toThrow("12 experts do not divide by 5 groups")
    const oddDomains = { ...EPLB, numPlaces: 18, numDomains: 9 }
    expect(() => placeExperts(LAYERS[0]!, oddDomains)).toThrow("9 domains do not divide by 2 nodes")
  })
})
