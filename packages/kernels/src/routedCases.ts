import { noise } from "@consilium/tensor"
import type { Rows } from "./Arena.ts"
import type { Backend, ExpertRows, RoutedLayer, Slab } from "./Backend.ts"
import { type BackendCase, type CaseRows, withCaseRows } from "./BackendCase.ts"
import { expertNoise, withExpertSlabs, withSlab } from "./caseSlabs.ts"
import { combineOneByOne, planExpertRows, runOneByOne } from "./expertsCases.ts"
import { packExpertSlab, packMatrixSlab } from "./packSlab.ts"
import { type ExpertShape, type Format, planExpertSlab, planMatrixSlab } from "./SlabLayout.ts"

const SIZES = { hiddenSize: 70, intermediateSize: 40, activation: "silu", hasGateProj: true, hasBias: false } as const

/** A layer and a batch for it. */
interface RoutedBatch extends Omit<RoutedLayer, "router" | "slabs" | "sharedExpert"> {
  readonly name: string
  readonly format: Format
  readonly numTokens: number
  readonly numExperts: number
  readonly sharedExpert: "none" | "plain" | "gated"
  /** Rows of the router that are alike: their experts tie. */
  readonly numAlike: number
}

const SOFTMAX = { score: "softmax", normalizesWeights: true, normEpsilon: 0, scale: 1, temperature: 1 } as const
const PLAIN = { ...SOFTMAX, topK: 2, numExperts: 5, numAlike: 1, sharedExpert: "none" } as const

/** Cases of `routedExperts`: one row, few and many; each kind of score; ties; every kind of shared expert. */
export const ROUTED_CASES: readonly BackendCase[] = [
  routedCase({ ...PLAIN, name: "1 token, a gated shared expert", format: "f32", numTokens: 1, sharedExpert: "gated" }),
  routedCase({
    ...PLAIN,
    name: "experts that tie, a shared expert",
    format: "int8",
    numTokens: 3,
    numAlike: 5,
    sharedExpert: "plain",
  }),
  routedCase({
    ...PLAIN,
    name: "softmax, not normalised",
    format: "int4",
    numTokens: 21,
    topK: 3,
    normalizesWeights: false,
    temperature: 0.5,
  }),
  routedCase({
    ...PLAIN,
    name: "sigmoid, all experts",
    format: "int4",
    numTokens: 2,
    topK: 5,
    score: "sigmoid",
    normEpsilon: 0.1,
    scale: 2.5,
  }),
]

/**
 * Returns a case of `routedExperts`.
 *
 * The reference has no such operation: its router's product is ranked by plain loops, and its experts run one by one.
 */
function routedCase(batch: RoutedBatch): BackendCase {
  const { name, format, numTokens, numExperts, topK } = batch
  const { hiddenSize } = SIZES
  return {
    name: `routedExperts ${format}: ${name}`,
    op: "routedExperts",
    format,
    bound: format === "f32" ? 1e-4 : 1e-3,
    run(backend) {
      const isReference = backend.name === "reference"
      if (!isReference && !backend.supports("routedExperts", format)) return undefined
      return withLayer(backend, batch, (layer) =>
        withCaseRows(backend.arena, (rows) => {
          const { take, takeNoise } = rows
          const [out, routing] = [take(numTokens + 1, hiddenSize), take(numTokens + 1, 3 * topK)]
          const logits = take(numTokens + 1, numExperts)
          const x = takeNoise(numTokens + 1, hiddenSize, 7)
          const run = isReference ? runPlainly : runTogether
          run(backend, out, routing, logits, x, numTokens, layer, rows)
          return Float32Array.of(...out.values, ...routing.values, ...logits.values)
        }),
      )
    },
  }
}

function withLayer<T>(backend: Backend, batch: RoutedBatch, body: (layer: RoutedLayer) => T): T {
  const { format, numExperts, numAlike, sharedExpert } = batch
  const shape: ExpertShape = { ...SIZES, format }
  const { hiddenSize } = SIZES
  const layout = planMatrixSlab({ format: "f32", numRows: numExperts, numColumns: hiddenSize, hasBias: false })
  const weights = noise(numExperts * hiddenSize, 3, 0.3)
  for (let e = 1; e < numAlike; e++) weights.copyWithin(e * hiddenSize, 0, hiddenSize)
  const packShared = (bytes: Uint8Array): void => packExpertSlab(bytes, planExpertSlab(shape), expertNoise(shape, 90))
  const gate = sharedExpert === "gated" ? noise(hiddenSize, 4, 0.3) : undefined
  return withSlab(
    backend,
    layout,
    (bytes) => packMatrixSlab(bytes, layout, weights),
    (router) =>
      withExpertSlabs(backend, shape, numExperts, (slabs) =>
        sharedExpert === "none"
          ? body({ ...batch, router, slabs, sharedExpert: undefined })
          : withSlab(backend, planExpertSlab(shape), packShared, (slab) =>
              body({ ...batch, router, slabs, sharedExpert: { slab, gate } }),
            ),
      ),
  )
}

function runTogether(
  backend: Backend,
  ...call: readonly [...Parameters<NonNullable<Backend["routedExperts"]>>, CaseRows]
): void {
  const [out, routing, logits, x, numTokens, layer] = call
  backend.routedExperts!(out, routing, logits, x, numTokens, layer)
}

function runPlainly(
  backend: Backend,
  out: Rows,
  routing: Rows,
  logits: Rows,
  x: Rows,
  numTokens: number,
  layer: RoutedLayer,
  { take }: CaseRows,
): void {
  const { router, slabs, topK, sharedExpert } = layer
  const { width } = x
  backend.matmul(logits, x, numTokens, router)
  const chosen = Array.from({ length: numTokens }, (_, t) =>
    chooseExperts(logits.values.subarray(t * slabs.length, (t + 1) * slabs.length), layer),
  )
  const expertId = (t: number, k: number): number => chosen[t]![k]!.id
  const weights = Float32Array.from(chosen.flatMap((own) => own.map(({ weight }) => weight)))
  const batch = { name: "", numTokens, topK, numExperts: slabs.length, expertId }
  const plan: ExpertRows = { ...planExpertRows(batch), weights }
  const outputs = take(numTokens * topK, width)
  runOneByOne(backend, outputs, x, plan, slabs)
  combineOneByOne(out, outputs, plan)
  for (let a = 0; a < numTokens * topK; a++) {
    const to = Math.floor(a / topK) * 3 * topK + (a % topK)
    routing.values[to] = expertId(Math.floor(a / topK), a % topK)
    routing.values[to + topK] = weights[a]!
    const row = plan.rows[a]! * width
    routing.values[to + 2 * topK] = Math.hypot(...outputs.values.subarray(row, row + width))
  }
  if (sharedExpert !== undefined) addShared(backend, out, x, numTokens, sharedExpert, take(numTokens, width))
}

/** A token's experts, best first, and their weights. */
function chooseExperts(
  logits: Float32Array,
  { topK, score, normalizesWeights, normEpsilon, scale, temperature }: RoutedLayer,
): { readonly id: number; readonly weight: number }[] {
  const ids = Array.from(logits, (_, e) => e).sort((a, b) => logits[b]! - logits[a]! || a - b)
  const powers = Array.from(logits, (logit) => Math.exp(logit / temperature))
  const sum = powers.reduce((total, power) => total + power, 0)
  const scores = powers.map((power) => (score === "sigmoid" ? power / (1 + power) : power / sum))
  const best = ids.slice(0, topK)
  const chosenSum = best.reduce((total, id) => total + scores[id]!, normEpsilon)
  return best.map((id) => ({ id, weight: (scores[id]! * scale) / (normalizesWeights ? chosenSum : 1) }))
}

function addShared(
  backend: Backend,
  out: Rows,
  x: Rows,
  numTokens: number,
  { slab, gate }: { readonly slab: Slab; readonly gate: Float32Array | undefined },
  shared: Rows,
): void {
  const { width } = x
  backend.expert(shared, x, 0, numTokens, slab)
  for (let t = 0; t < numTokens; t++) {
    let product = 0
    for (let i = 0; i < width; i++) product += (gate?.[i] ?? 0) * x.values[t * width + i]!
    const weight = gate === undefined ? 1 : 1 / (1 + Math.exp(-product))
    for (let i = 0; i < width; i++) out.values[t * width + i]! += weight * shared.values[t * width + i]!
  }
}
