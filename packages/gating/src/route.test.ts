import { describe, expect, test } from "bun:test"
import { expectClose } from "@consilium/testing"
import fc from "fast-check"
import { GOLDEN, MIXTRAL, PHIMOE, routeLogits } from "../test/routeLogits.ts"
import { createRouteScratch, createRouting, type RouterConfig, route, type Routing } from "./index.ts"

const logitsArb = (numExperts: number) =>
  fc.array(fc.array(fc.float({ min: -20, max: 20, noNaN: true }), { minLength: numExperts, maxLength: numExperts }), {
    minLength: 1,
    maxLength: 12,
  })

describe("route: properties", () => {
  test("a masked expert equals a model without it", () => {
    fc.assert(
      fc.property(logitsArb(6), fc.integer({ min: 0, max: 5 }), fc.boolean(), (logits, masked, normalizesWeights) => {
        const config = { ...MIXTRAL, normalizesWeights } as const
        const availability = Uint8Array.from({ length: 6 }, (_, e) => (e === masked ? 0 : 1))
        const with_ = routeLogits(logits, config, { availability })
        const without = routeLogits(
          logits.map((row) => row.filter((_, e) => e !== masked)),
          config,
        )
        expect([...with_.expertIds].map((id) => (id > masked ? id - 1 : id))).toEqual([...without.expertIds])
        expectClose(with_.weights, without.weights, 1e-6)
      }),
    )
  })

  test("permuting tokens permutes the routing", () => {
    fc.assert(
      fc.property(logitsArb(5), (logits) => {
        const forward = routeLogits(logits, MIXTRAL)
        const backward = routeLogits(logits.toReversed(), MIXTRAL)
        const pairs = (r: Routing) =>
          Array.from({ length: logits.length }, (_, t) => [
            r.expertIds[2 * t],
            r.expertIds[2 * t + 1],
            r.weights[2 * t],
          ])
        expect(pairs(backward)).toEqual(pairs(forward).toReversed())
      }),
    )
  })

  test("no expert takes more than its capacity, and what is chosen stays distinct", () => {
    fc.assert(
      fc.property(logitsArb(4), fc.integer({ min: 1, max: 8 }), (logits, capacity) => {
        const { expertIds, weights } = routeLogits(logits, MIXTRAL, { capacity })
        for (let e = 0; e < 4; e++) expect(expertIds.filter((id) => id === e).length).toBeLessThanOrEqual(capacity)
        for (let t = 0; t < logits.length; t++) {
          const [a, b] = [expertIds[2 * t]!, expertIds[2 * t + 1]!]
          if (a >= 0) expect(a).not.toBe(b)
          if (b < 0) expect(weights[2 * t + 1]).toBe(0)
        }
      }),
    )
  })

  test.each(["softmax", "sigmoid"] as const)(
    "masked, bounded and biased at once, each token has the best of who is there and has room: %s",
    (score) => {
      const option = fc.record({
        availability: fc.array(fc.constantFrom(0, 1, 1), { minLength: 5, maxLength: 5 }),
        bias: fc.array(fc.float({ min: -1, max: 1, noNaN: true }), { minLength: 5, maxLength: 5 }),
        capacity: fc.integer({ min: 1, max: 8 }),
      })
      const halves = fc.array(fc.array(fc.integer({ min: -6, max: 6 }), { minLength: 5, maxLength: 5 }), {
        minLength: 1,
        maxLength: 12,
      })
      fc.assert(
        fc.property(halves, option, (halved, { availability, bias, capacity }) => {
          const logits = halved.map((row) => row.map((value) => value / 2))
          const options = {
            availability: Uint8Array.from(availability),
            selectionBias: Float32Array.from(bias),
            capacity,
          }
          const { expertIds, weights } = routeLogits(logits, { ...MIXTRAL, score }, options)
          const counts = [0, 0, 0, 0, 0]
          for (const [t, row] of logits.entries()) {
            const sum = row.reduce((all, z, e) => all + availability[e]! * Math.exp(z), 0)
            const scores = row.map((z) => (score === "softmax" ? Math.exp(z) / sum : 1 / (1 + Math.exp(-z))))
            const chosenBy = scores.map((value, e) => value + options.selectionBias[e]!)
            const best = [0, 1, 2, 3, 4]
              .filter((e) => availability[e] === 1 && counts[e]! < capacity)
              .sort((a, b) => chosenBy[b]! - chosenBy[a]! || a - b)
              .slice(0, 2)
            for (const e of best) counts[e]!++
            const weight = best.reduce((all, e) => all + scores[e]!, 0)
            const ids = [...expertIds.subarray(2 * t, 2 * t + 2)]
            // Choices that differ by rounding alone may change places.
            expect(ids.toSorted()).toEqual([...best, -1, -1].slice(0, 2).toSorted())
            ids.forEach((e, k) => expect(weights[2 * t + k]).toBeCloseTo(e < 0 ? 0 : scores[e]! / weight, 5))
          }
        }),
      )
    },
  )

  test("a selection bias chooses, and never weighs", () => {
    const selectionBias = Float32Array.of(0, 0, 0, 10)
    const { expertIds, weights } = routeLogits(
      [[3, 2, 1, 0]],
      { ...MIXTRAL, normalizesWeights: false },
      { selectionBias },
    )
    expect([...expertIds]).toEqual([3, 0])
    const softmax0 = 1 / [3, 2, 1, 0].reduce((sum, z) => sum + Math.exp(z), 0)
    expect(weights[0]).toBeCloseTo(softmax0, 6)
  })

  test("temperature changes weights, never the choice", () => {
    const z = [2, 1, 0.5, -0.5, 1.5, 0, -1, 0.25]
    expectClose(routeLogits([z], MIXTRAL).weights, [0.622459, 0.377541], 1e-6)
    expectClose(routeLogits([z], { ...MIXTRAL, temperature: 0.1 }).weights, [0.9933, 0.0067], 1e-4)
    expect([...routeLogits([z], { ...MIXTRAL, temperature: 0.1 }).expertIds]).toEqual([0, 4])
  })

  test("temperature never changes the choice, not even of sigmoids that saturate or are biased", () => {
    const options = { selectionBias: Float32Array.of(0.001, 0, 0, 0) }
    for (const score of ["softmax", "sigmoid"] as const) {
      for (const chosenBy of [{}, options]) {
        const config = { ...MIXTRAL, score } as const
        const row = [[4, 4.5, 5, 5.5]]
        const asTrained = routeLogits(row, config, chosenBy)
        for (const temperature of [0.01, 0.1, 10]) {
          expect(routeLogits(row, { ...config, temperature }, chosenBy).expertIds).toEqual(asTrained.expertIds)
        }
      }
    }
  })

  test("overflow goes to the next best expert with room, and earlier tokens win", () => {
    const logits = [
      [1, 0, -1, 0.5],
      [0.2, 1.2, 0, -0.3],
      [2, 1, 0, -1],
      [0, 0.5, 1.5, 1],
    ]
    expect([...routeLogits(logits, MIXTRAL).expertIds]).toEqual([0, 3, 1, 0, 0, 1, 2, 3])
    expect([...routeLogits(logits, MIXTRAL, { capacity: 2 }).expertIds]).toEqual([0, 3, 1, 0, 1, 2, 2, 3])
    expect([...routeLogits(logits, MIXTRAL, { capacity: 1 }).expertIds]).toEqual([0, 3, 1, 2, -1, -1, -1, -1])
  })

  test("weights of a rerouted token sum to 1 where the router normalises", () => {
    const { weights } = routeLogits(
      [
        [9, 1, 0, 0],
        [9, 1, 0, 0],
      ],
      MIXTRAL,
      { capacity: 1 },
    )
    expect(weights[2]! + weights[3]!).toBeCloseTo(1, 6)
  })

  test("rerouted weights do not underflow, however far the chosen are from the best", () => {
    const { expertIds, weights } = routeLogits(
      [
        [0, 0],
        [2000, 0],
      ],
      { ...MIXTRAL, temperature: 0.1 },
      { selectionBias: new Float32Array(2), capacity: 1 },
    )
    expect([...expertIds]).toEqual([0, 1, -1, -1])
    const far = routeLogits(
      [
        [2000, 1, 0],
        [2000, 1, 0],
      ],
      MIXTRAL,
      { capacity: 1 },
    )
    expect([...far.expertIds]).toEqual([0, 1, 2, -1])
    expect([...far.weights]).toEqual([1, 0, 1, 0])
    expect([...weights]).toEqual([0.5, 0.5, 0, 0])
  })

  test("groups keep more than they should rather than drop a token that a failed expert left", () => {
    const groups = { numGroups: 2, numKept: 1, score: "best" } as const
    const logits = [[4, 3, 2, 1]]
    expect([...routeLogits(logits, { ...MIXTRAL, groups }).expertIds]).toEqual([0, 1])
    expect([
      ...routeLogits(logits, { ...MIXTRAL, groups }, { availability: Uint8Array.of(0, 1, 1, 1) }).expertIds,
    ]).toEqual([1, 2])
    expect([
      ...routeLogits(logits, { ...MIXTRAL, groups }, { availability: Uint8Array.of(0, 0, 1, 1) }).expertIds,
    ]).toEqual([2, 3])
  })

  test("a group worth its two best is worth their probabilities, not their logits", () => {
    const groups = { numGroups: 2, numKept: 1, score: "two-best" } as const
    expect([...routeLogits([[3, -10, 2, 1]], { ...MIXTRAL, groups }).expertIds]).toEqual([0, 1])
  })

  test("capacity counts one call: the next one begins with empty experts", () => {
    const [out, scratch] = [createRouting(1, 2), createRouteScratch(2)]
    for (let call = 0; call < 2; call++) {
      route(out, Float32Array.of(2, 1), 1, MIXTRAL, scratch, { capacity: 1 })
      expect([...out.expertIds]).toEqual([0, 1])
    }
  })

  test("an excluded group is -Infinity, not 0: negative biases do not let it win", () => {
    const config: RouterConfig = {
      kind: "top-k",
      topK: 2,
      score: "sigmoid",
      normalizesWeights: true,
      groups: { numGroups: 4, numKept: 1, score: "two-best" },
    }
    const selectionBias = new Float32Array(8).fill(-1.2)
    expect([...routeLogits([GOLDEN], config, { selectionBias }).expertIds]).toEqual([0, 1])
  })

  test("the logit of an unavailable expert is never read", () => {
    for (const config of [MIXTRAL, PHIMOE]) {
      const routing = routeLogits([[1, Number.NaN, 2]], config, { availability: Uint8Array.of(1, 0, 1) })
      const without = routeLogits([[1, 2]], config)
      expect([...routing.expertIds]).toEqual([2, 0])
      expectClose(routing.weights, without.weights, 1e-6)
    }
  })

  test("with no expert left every assignment is dropped", () => {
    const { expertIds, weights } = routeLogits([[1, 2]], MIXTRAL, { availability: Uint8Array.of(0, 0) })
    expect([[...expertIds], [...weights]]).toEqual([
      [-1, -1],
      [0, 0],
    ])
  })

  test("a row that is not finite is named", () => {
    expect(() =>
      routeLogits(
        [
          [1, 2],
          [Number.NaN, 0],
        ],
        MIXTRAL,
      ),
    ).toThrow("token 1, expert 0")
  })

  test("a mask or a bias for another number of experts is refused", () => {
    expect(() => routeLogits([GOLDEN], MIXTRAL, { availability: new Uint8Array(7) })).toThrow(
      "expected 8 values of availability, one for each expert, found 7",
    )
    expect(() => routeLogits([GOLDEN], MIXTRAL, { selectionBias: new Float32Array(9) })).toThrow(
      "expected 8 values of selectionBias, one for each expert, found 9",
    )
  })

  test("a routing of another topK, or too short, is refused", () => {
    const scratch = createRouteScratch(4)
    expect(() => route(createRouting(1, 3), new Float32Array(4), 1, MIXTRAL, scratch)).toThrow(
      "expected a routing of topK 2, found 3",
    )
    expect(() => route(createRouting(1, 2), new Float32Array(8), 2, MIXTRAL, scratch)).toThrow(
      "expected room for 2 tokens",
    )
  })
})
