import { createMoeScratch, moeLayer, residentExperts } from "@consilium/experts"
import { type Backend, packMatrixSlab, planMatrixSlab, type Slab } from "@consilium/kernels"
import { type MoeShape, readingRouter, routerOf } from "./MoeProblem.ts"

/** Our layer as the model runs it: router from a slab, route, dispatch, experts, combine. */
export interface LayerRun {
  /** Sets the tokens `[T, H]` of all runs that follow. */
  readonly load: (hidden: Float32Array) => void
  readonly run: () => void
  /** `[T, H]` of the last run. */
  readonly output: () => Float32Array
}

/**
 * Returns runs of a layer over the experts given, or of several such layers in turns.
 *
 * @param layers experts `[L][E]`, open on the backend; they keep their slabs and the arena its memory until both are closed
 */
export function createLayerRun(
  backend: Backend,
  layers: readonly (readonly Slab[])[],
  shape: MoeShape,
  maxTokens: number,
): LayerRun {
  const { hiddenSize, numExperts, topK } = shape
  const { arena } = backend
  const layout = planMatrixSlab({ format: "f32", numRows: numExperts, numColumns: hiddenSize, hasBias: false })
  const span = arena.allocate(layout.bytes)
  packMatrixSlab(arena.bytes(span), layout, readingRouter(shape))
  const router = { kind: "slab", slab: backend.openSlab(span, layout) } as const
  const config = { hiddenSize, numExperts, topK, router: routerOf(topK) }
  const moeLayers = layers.map((slabs) => ({
    config,
    backend,
    router,
    experts: residentExperts(slabs),
    sharedExpert: undefined,
  }))
  const scratch = createMoeScratch(moeLayers[0]!, maxTokens)
  const input = arena.rows(maxTokens, hiddenSize)
  const out = arena.rows(maxTokens, hiddenSize)
  let numTokens = 0
  let next = 0
  return {
    load(hidden) {
      numTokens = hidden.length / hiddenSize
      input.values.set(hidden)
    },
    run() {
      moeLayer(out, input, numTokens, moeLayers[next]!, scratch)
      next = (next + 1) % moeLayers.length
    },
    output: () => out.values.slice(0, numTokens * hiddenSize),
  }
}
