import { createRouting, type Routing } from "@consilium/gating"
import {
  type Arena,
  type Backend,
  bestIsa,
  createArena,
  createReferenceBackend,
  createX64Backend,
  expertActivation,
  type ExpertTensors,
  type Format,
  packExpertSlab,
  packMatrixSlab,
  planExpertSlab,
  planMatrixSlab,
  type Rows,
  runnableIsas,
  type Slab,
  unpackMatrix,
} from "@consilium/kernels"
import { createOnnxBackend } from "@consilium/onnx"
import { noise, sigmoid } from "@consilium/tensor"
import {
  residentExperts,
  createMoeScratch,
  type MoeLayer,
  moeLayerPlain,
  type MoeScratch,
  type PlainExpert,
} from "../src/index.ts"
import type { MoeCase } from "./cases.ts"

const ALL_BACKENDS = ["reference", "onnx", "x64"] as const
type TestedBackend = (typeof ALL_BACKENDS)[number]

/** Those that run here. */
export const BACKENDS = ALL_BACKENDS.filter((name) => name !== "x64" || runnableIsas().length > 0)
if (!BACKENDS.includes("x64")) console.log("x64: skipped, this is no Linux on x64 with AVX2")

/** A case's layer, open on a backend, beside the same weights in plain f32. */
export interface OpenCase {
  readonly layer: MoeLayer
  readonly scratch: MoeScratch
  readonly hidden: Rows
  readonly out: Rows
  /** `[E, H]` */
  readonly routerWeight: Float32Array
  /** What the slabs hold, dequantised. */
  readonly experts: readonly PlainExpert[]
  readonly sharedExpert: PlainExpert | undefined
  /** The case's own routing, where it has one. */
  readonly routing: Routing | undefined
}

/** Runs `body` with a backend on an arena of its own. */
export function withBackend<T>(name: TestedBackend, body: (backend: Backend) => T): T {
  const arena = createArena({})
  const backend = create(name, arena)
  try {
    return body(backend)
  } finally {
    backend.close()
    arena.close()
  }
}

function create(name: TestedBackend, arena: Arena): Backend {
  if (name === "onnx") return createOnnxBackend(arena, { numThreads: 2 })
  return name === "x64" ? createX64Backend(arena, { isa: bestIsa(), numThreads: 2 }) : createReferenceBackend(arena)
}

/** Opens a case's layer with a router slab, as checkpoints have it. `experts` keeps those of these ids only. */
export function openMoeCase(
  given: MoeCase,
  backend: Backend,
  format: Format = "f32",
  experts: readonly number[] = Array.from({ length: given.numExperts }, (_, e) => e),
): OpenCase {
  const { numTokens, hiddenSize, topK } = given
  const { arena } = backend
  const numExperts = experts.length

  const routerRows = experts.map((id) => noise(hiddenSize, 7000 + id, 2 / Math.sqrt(hiddenSize)))
  const routerWeight = Float32Array.from(routerRows.flatMap((row) => [...row]))
  const opened = experts.map((id) => openExpert(given, backend, format, 10 * id))
  const shared = given.sharedExpert === "none" ? undefined : openExpert(given, backend, format, 5000)
  const gate = given.sharedExpert === "gated" ? noise(hiddenSize, 6000, 2 / Math.sqrt(hiddenSize)) : undefined
  const layer: MoeLayer = {
    backend,
    config: {
      hiddenSize,
      numExperts,
      topK,
      router: { kind: "top-k", topK, score: "softmax", normalizesWeights: true },
    },
    router: { kind: "slab", slab: openRouter(routerWeight, backend, numExperts, hiddenSize) },
    experts: residentExperts(opened.map(({ slab }) => slab)),
    sharedExpert: shared && { slab: shared.slab, gate },
  }
  const hidden = arena.rows(numTokens, hiddenSize)
  hidden.values.set(noise(numTokens * hiddenSize, 8000, 1))
  // What an earlier call left behind must not show.
  const out = arena.rows(numTokens, hiddenSize)
  out.values.fill(Number.NaN)
  return {
    layer,
    scratch: createMoeScratch(layer, numTokens),
    hidden,
    out,
    routerWeight,
    experts: opened.map(({ plain }) => plain),
    sharedExpert: shared?.plain,
    routing: routingOf(given),
  }
}

/** Computes a case by plain loops: the routed experts, and the shared one as a layer of one expert with its gate as weight. */
export function runPlain(given: MoeCase, open: OpenCase, routing: Routing): Float32Array {
  const { numTokens, hiddenSize, activation } = given
  const { experts, sharedExpert, hidden, layer } = open
  const out = new Float32Array(numTokens * hiddenSize)
  moeLayerPlain(out, hidden.values, routing, experts, { hiddenSize, activation })
  if (sharedExpert === undefined) return out

  const everyToken = createRouting(numTokens, 1)
  everyToken.numTokens = numTokens
  const gate = layer.sharedExpert?.gate
  for (let t = 0; t < numTokens; t++) {
    const product = gate?.reduce((sum, weight, i) => sum + weight * hidden.values[t * hiddenSize + i]!, 0)
    everyToken.weights[t] = product === undefined ? 1 : sigmoid(product)
  }
  const shared = new Float32Array(out.length)
  moeLayerPlain(shared, hidden.values, everyToken, [sharedExpert], { hiddenSize, activation })
  return out.map((value, i) => value + shared[i]!)
}

function openExpert(
  given: MoeCase,
  backend: Backend,
  format: Format,
  seed: number,
): { slab: Slab; plain: PlainExpert } {
  const { hiddenSize, expertIntermediateSize: intermediateSize, activation, hasGateProj, hasBias } = given
  const layout = planExpertSlab({
    format,
    hiddenSize,
    intermediateSize,
    hasBias,
    ...expertActivation(activation, hasGateProj),
  })
  const size = hiddenSize * intermediateSize
  const [inner, outer] = [1 / Math.sqrt(hiddenSize), 1 / Math.sqrt(intermediateSize)]
  const gateBias = hasGateProj && hasBias ? { gateBias: noise(intermediateSize, seed + 4, 0.3) } : {}
  const biases = hasBias
    ? { upBias: noise(intermediateSize, seed + 5, 0.3), downBias: noise(hiddenSize, seed + 6, 0.3) }
    : {}
  const tensors: ExpertTensors = {
    ...(hasGateProj ? { gateProj: noise(size, seed + 1, inner) } : {}),
    upProj: noise(size, seed + 2, inner),
    downProj: noise(size, seed + 3, outer),
    ...gateBias,
    ...biases,
  }
  const span = backend.arena.allocate(layout.bytes)
  const bytes = backend.arena.bytes(span)
  packExpertSlab(bytes, layout, tensors)
  const plain = { ...tensors }
  for (const name of ["gateProj", "upProj", "downProj"] as const) {
    const matrix = layout[name]
    if (matrix === undefined) continue
    const values = new Float32Array(size)
    unpackMatrix(values, bytes, matrix)
    Object.assign(plain, { [name]: values })
  }
  return { slab: backend.openSlab(span, layout), plain }
}

function openRouter(weight: Float32Array, backend: Backend, numExperts: number, hiddenSize: number): Slab {
  const layout = planMatrixSlab({ format: "f32", numRows: numExperts, numColumns: hiddenSize, hasBias: false })
  const span = backend.arena.allocate(layout.bytes)
  packMatrixSlab(backend.arena.bytes(span), layout, weight)
  return backend.openSlab(span, layout)
}

/** Weights fall with the rank and differ from token to token. */
function routingOf({ numTokens, topK, expertIds }: MoeCase): Routing | undefined {
  if (expertIds === undefined) return undefined
  const routing = createRouting(numTokens, topK)
  routing.numTokens = numTokens
  for (let t = 0; t < numTokens; t++) {
    for (let k = 0; k < topK; k++) {
      routing.expertIds[t * topK + k] = expertIds(t, k)
      routing.weights[t * topK + k] = 1 / (2 + k + (t % 3))
    }
  }
  return routing
}
