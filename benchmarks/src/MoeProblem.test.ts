import { moeLayerPlain, type PlainExpert } from "@consilium/experts"
import { createArena, createReferenceBackend, packExpertSlab, planExpertSlab } from "@consilium/kernels"
import { expect, test } from "bun:test"
import { createLayerRun } from "./createLayerRun.ts"
import { type MoeShape, randomExperts, routingOf, skewedHidden } from "./MoeProblem.ts"
import { openOrtMoe } from "./openOrtMoe.ts"
import { relativeError } from "./relativeError.ts"

const SHAPE: MoeShape = { hiddenSize: 64, expertIntermediateSize: 96, numExperts: 8, topK: 2 }
const NUM_TOKENS = 2000

function sharesOfFirstChoice(skew: Parameters<typeof skewedHidden>[2]): number[] {
  const { expertIds } = routingOf(skewedHidden(NUM_TOKENS, SHAPE, skew), NUM_TOKENS, SHAPE)
  const counts = Array.from({ length: SHAPE.numExperts }, () => 0)
  for (let t = 0; t < NUM_TOKENS; t++) counts[expertIds[t * SHAPE.topK]!]!++
  return counts.map((count) => count / NUM_TOKENS)
}

test("skewedHidden: uniform tokens choose all experts alike", () => {
  for (const share of sharesOfFirstChoice("uniform")) expect(Math.abs(share - 1 / 8)).toBeLessThan(0.03)
})

test("skewedHidden: Zipf tokens choose expert e first in proportion to 1 / (e + 1)", () => {
  const harmonic = Array.from({ length: 8 }, (_, e) => 1 / (e + 1)).reduce((a, b) => a + b)
  for (const [e, share] of sharesOfFirstChoice("Zipf").entries()) {
    expect(Math.abs(share - 1 / (e + 1) / harmonic)).toBeLessThan(0.03)
  }
})

test("skewedHidden: a hot expert is chosen by every token", () => {
  expect(sharesOfFirstChoice("one hot expert")[0]).toBe(1)
})

const hidden = skewedHidden(9, SHAPE, "Zipf")
const experts = randomExperts(SHAPE)
function plain(weights: readonly PlainExpert[] = experts): Float32Array {
  const out = new Float32Array(hidden.length)
  moeLayerPlain(out, hidden, routingOf(hidden, 9, SHAPE), weights, { ...SHAPE, activation: "silu" })
  return out
}

for (const kind of ["MoE f32", "QMoE int8", "QMoE int4"] as const) {
  test(`openOrtMoe: onnxruntime's ${kind} computes the layer of the weights that it says it has`, () => {
    const operator = openOrtMoe(kind, experts, SHAPE, 1)
    const out = new Float32Array(hidden.length)
    operator.run(out, hidden, 9)
    expect(relativeError(out, plain(operator.experts))).toBeLessThan(1e-5)
    expect(relativeError(out, plain())).toBeLessThan(kind === "QMoE int4" ? 0.3 : 0.02)
    operator.close()
  })
}

test("createLayerRun: computes the layer of the router's choice, over layers in turns", () => {
  const backend = createReferenceBackend(createArena())
  const layers = [experts, experts.toReversed()]
  const slabs = layers.map((layer) =>
    layer.map((expert) => {
      const { hiddenSize, expertIntermediateSize: intermediateSize } = SHAPE
      const kind = { activation: "silu", hasGateProj: true, hasBias: false } as const
      const layout = planExpertSlab({ format: "f32", hiddenSize, intermediateSize, ...kind })
      const span = backend.arena.allocate(layout.bytes)
      packExpertSlab(backend.arena.bytes(span), layout, expert)
      return backend.openSlab(span, layout)
    }),
  )
  const run = createLayerRun(backend, slabs, SHAPE, 16)
  run.load(hidden)
  for (const layer of [...layers, ...layers]) {
    run.run()
    expect(relativeError(run.output(), plain(layer))).toBeLessThan(1e-5)
  }
})

test("relativeError: what is not finite is infinitely wrong", () => {
  expect(relativeError(Float32Array.of(1, 2), Float32Array.of(1, 2))).toBe(0)
  expect(relativeError(Float32Array.of(Number.NaN, 2), Float32Array.of(1, 2))).toBe(Number.POSITIVE_INFINITY)
  expect(() => relativeError(Float32Array.of(1), Float32Array.of(1, 2))).toThrow("expected 2 values, found 1")
})
