import { describe, expect, test } from "bun:test"
import { createRouting, MoeSettingsError, type Routing } from "@consilium/gating"
import { createArena, createReferenceBackend, type ExpertTensors } from "@consilium/kernels"
import { noise } from "@consilium/tensor"
import { expectClose } from "@consilium/testing"
import fc from "fast-check"
import { combine } from "./combine.ts"
import { createDispatchPlan, numRowsOf } from "./DispatchPlan.ts"
import { dispatch } from "./dispatch.ts"
import { createMoeLayer, moeLayerPlain } from "./index.ts"
import { planDispatch } from "./planDispatch.ts"

const routingArb = fc
  .record({
    numTokens: fc.nat({ max: 20 }),
    topK: fc.integer({ min: 1, max: 4 }),
    numExperts: fc.integer({ min: 4, max: 9 }),
  })
  .chain(({ numTokens, topK, numExperts }) =>
    fc.tuple(
      fc.array(
        fc.shuffledSubarray(
          Array.from({ length: numExperts }, (_, e) => e),
          { minLength: topK, maxLength: topK },
        ),
        { minLength: numTokens, maxLength: numTokens },
      ),
      fc.constant({ numTokens, topK, numExperts }),
    ),
  )
  .map(([ids, shape]) => {
    const routing = createRouting(shape.numTokens, shape.topK)
    routing.numTokens = shape.numTokens
    routing.expertIds.set(ids.flat())
    routing.weights.fill(1 / shape.topK)
    return { ...shape, routing }
  })

const plan = (routing: Routing, numExperts: number, capacity?: number) =>
  planDispatch(createDispatchPlan(routing.expertIds.length, numExperts), routing, capacity)

describe("planDispatch", () => {
  test("order is a bijection of the assignments, grouped by expert, tokens in order", () => {
    fc.assert(
      fc.property(routingArb, ({ routing, numExperts, numTokens, topK }) => {
        const { order, offsets, rows, numDropped } = plan(routing, numExperts)
        expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: numTokens * topK }, (_, a) => a))
        expect([numDropped, offsets[numExperts]]).toEqual([0, numTokens * topK])
        for (let e = 0; e < numExperts; e++) {
          const own = [...order.subarray(offsets[e], offsets[e + 1])]
          expect(own.every((a) => routing.expertIds[a] === e)).toBe(true)
          expect(own).toEqual(own.toSorted((a, b) => a - b))
        }
        order.forEach((a, row) => expect(rows[a]).toBe(row))
      }),
    )
  })

  test("the sum of rows is all assignments less the dropped, and no expert exceeds its capacity", () => {
    fc.assert(
      fc.property(routingArb, fc.nat({ max: 6 }), ({ routing, numExperts, numTokens, topK }, capacity) => {
        const made = plan(routing, numExperts, capacity)
        const perExpert = Array.from({ length: numExperts }, (_, e) => numRowsOf(made, e))
        expect(perExpert.reduce((sum, rows) => sum + rows, 0)).toBe(numTokens * topK - made.numDropped)
        expect(Math.max(0, ...perExpert)).toBeLessThanOrEqual(capacity)
        // The first to come are those that stay.
        for (let e = 0; e < numExperts; e++) {
          const wanted = [...routing.expertIds].flatMap((id, a) => (id === e ? [a] : []))
          expect([...made.order.subarray(made.offsets[e], made.offsets[e + 1])]).toEqual(wanted.slice(0, capacity))
        }
      }),
    )
  })

  test("combine after dispatch of experts that change nothing is the input", () => {
    const arena = createArena({})
    fc.assert(
      fc.property(routingArb, ({ routing, numExperts, numTokens, topK }) => {
        const [hidden, rows, out] = [
          arena.rows(numTokens, 3),
          arena.rows(numTokens * topK, 3),
          arena.rows(numTokens, 3),
        ]
        hidden.values.set(noise(numTokens * 3, 1, 1))
        const made = plan(routing, numExperts)
        dispatch(rows, hidden, made, topK)
        combine(out, rows, made, routing)
        expectClose(out.values, hidden.values, 1e-6)
        for (const { span } of [hidden, rows, out]) arena.free(span)
      }),
    )
    arena.close()
  })
})

const H = 12
const I = 20
const E = 5

function layerOf({
  topK = 2,
  sameExperts = false,
  format = "f32" as const,
  capacityFactor = Number.POSITIVE_INFINITY,
} = {}) {
  const arena = createArena({})
  const backend = createReferenceBackend(arena)
  const experts = Array.from({ length: E }, (_, e): ExpertTensors => {
    const seed = sameExperts ? 0 : e * 10
    return {
      gateProj: noise(I * H, seed + 1, 0.5),
      upProj: noise(I * H, seed + 2, 0.5),
      downProj: noise(H * I, seed + 3, 0.5),
    }
  })
  const router = { kind: "linear", weight: noise(E * H, 99, 1) } as const
  const layer = createMoeLayer({
    backend,
    hiddenSize: H,
    expertIntermediateSize: I,
    topK,
    activation: "silu",
    router,
    experts,
    format,
    capacityFactor,
  })
  return { layer, experts }
}

describe("moeLayer", () => {
  for (const [name, numTokens, topK] of [
    ["no token", 0, 2],
    ["one token", 1, 2],
    ["every expert chosen", 6, E],
    ["one expert chosen", 7, 1],
    ["odd sizes", 13, 3],
  ] as const) {
    test(`${name}: the plain loop's output`, () => {
      const { layer, experts } = layerOf({ topK })
      const hidden = noise(numTokens * H, 7, 1)
      const { output, routing } = layer.run(hidden)
      const expected = new Float32Array(numTokens * H)
      moeLayerPlain(expected, hidden, routing, experts, { hiddenSize: H, activation: "silu" })
      expectClose(output, expected, 1e-5)
    })
  }

  test("one hot expert and experts without tokens are served", () => {
    const { layer, experts } = layerOf()
    const routing = createRouting(4, 2)
    routing.numTokens = 4
    routing.expertIds.set([3, 1, 3, 1, 3, 1, 3, 1])
    routing.weights.fill(0.5)
    const hidden = noise(4 * H, 7, 1)
    const expected = new Float32Array(4 * H)
    moeLayerPlain(expected, hidden, routing, experts, { hiddenSize: H, activation: "silu" })
    expectClose(layer.run(hidden, { routing }).output, expected, 1e-5)
  })

  test("equal experts make a dense network of one of them, whatever the routing", () => {
    const { layer, experts } = layerOf({ sameExperts: true })
    const hidden = noise(5 * H, 3, 1)
    const dense = createRouting(5, 1)
    dense.numTokens = 5
    dense.weights.fill(1)
    const expected = new Float32Array(5 * H)
    moeLayerPlain(expected, hidden, dense, experts, { hiddenSize: H, activation: "silu" })
    expectClose(layer.run(hidden).output, expected, 1e-5)
  })

  test("a token's output ignores its neighbours, bit for bit; permuting tokens permutes outputs", () => {
    for (const format of ["f32", "int8", "int4"] as const) {
      const { layer } = layerOf({ format: format as "f32" })
      const hidden = noise(9 * H, 5, 1)
      const together = layer.run(hidden).output
      for (let t = 0; t < 9; t++) {
        expect(layer.run(hidden.slice(t * H, (t + 1) * H)).output).toEqual(together.slice(t * H, (t + 1) * H))
      }
      const backwards = Float32Array.from({ length: 9 * H }, (_, i) => hidden[(8 - Math.floor(i / H)) * H + (i % H)]!)
      const reversed = layer.run(backwards).output
      for (let t = 0; t < 9; t++)
        expect(reversed.slice((8 - t) * H, (9 - t) * H)).toEqual(together.slice(t * H, (t + 1) * H))
    }
  })

  test("a masked expert gets no token, and the weights of the others sum to one", () => {
    const { layer } = layerOf()
    const availability = Uint8Array.of(1, 0, 1, 1, 1)
    const { routing } = layer.run(noise(20 * H, 5, 1), { availability })
    expect([...routing.expertIds]).not.toContain(1)
    for (let t = 0; t < 20; t++) expect(routing.weights[2 * t]! + routing.weights[2 * t + 1]!).toBeCloseTo(1, 6)
  })

  test("a capacity factor bounds every expert", () => {
    const { layer } = layerOf({ capacityFactor: 1.25 })
    const { routing } = layer.run(noise(20 * H, 5, 1))
    for (let e = 0; e < E; e++)
      expect(routing.expertIds.filter((id) => id === e).length).toBeLessThanOrEqual(Math.ceil((1.25 * 2 * 20) / E))
  })
})

describe("createMoeLayer", () => {
  test("impossible settings and shapes are explained", () => {
    const backend = createReferenceBackend(createArena({}))
    const expert: ExpertTensors = { upProj: new Float32Array(I * H), downProj: new Float32Array(H * I) }
    const base = {
      backend,
      hiddenSize: H,
      expertIntermediateSize: I,
      topK: 2,
      activation: "relu" as const,
      router: { kind: "linear", weight: new Float32Array(2 * H) } as const,
    }
    const message = (change: object): string => {
      try {
        createMoeLayer({ ...base, experts: [expert, expert], ...change })
        return ""
      } catch (error) {
        expect(error).toBeInstanceOf(MoeSettingsError)
        return (error as Error).message
      }
    }
    expect(message({ topK: 3 })).toBe("topK: expected a whole number from 1 to numExperts 2, found 3: 2 to 8 are usual")
    expect(message({ capacityFactor: 0 })).toContain("capacityFactor: expected a number above 0, found 0")
    expect(message({ temperature: -1 })).toContain("0.1 to 0.3 routes confidently")
    expect(message({ router: { kind: "linear", weight: new Float32Array(5) } })).toContain(
      `expected ${2 * H} values, found 5`,
    )
    expect(message({ experts: [expert, { ...expert, upProj: new Float32Array(3) }] })).toContain("experts[1]")
  })

  test("unwise settings are warned of", () => {
    const { layer } = layerOf({ capacityFactor: 1 })
    expect(layer.warnings.map((warning) => warning.split(" ")[0])).toEqual(["numExperts", "capacityFactor"])
  })
})
