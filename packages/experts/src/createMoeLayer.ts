import {
  expertCapacity,
  type LinearRouter,
  type MlpRouter,
  MoeSettingsError,
  parseMoeSettings,
  type Routing,
} from "@consilium/gating"
import {
  type Activation,
  type Backend,
  type ExpertTensors,
  type Format,
  packExpertSlab,
  planExpertSlab,
  type Slab,
  type Span,
} from "@consilium/kernels"
import { moeLayer } from "./moeLayer.ts"
import { createMoeScratch, type MoeLayer, type MoeOptions } from "./MoeWeights.ts"

/** A layer made of arrays: for those who bring their own weights. */
export interface CreateMoeLayerOptions {
  readonly backend: Backend
  readonly hiddenSize: number
  readonly expertIntermediateSize: number
  readonly topK: number
  readonly activation: Activation
  /** How experts are packed; f32 unless given. */
  readonly format?: Format
  readonly router: LinearRouter | MlpRouter
  /** Weights are divided by the sum of the chosen k; true unless given. */
  readonly normalizesWeights?: boolean
  readonly temperature?: number
  /** Leave it out to drop nothing. */
  readonly capacityFactor?: number
  /** Row-major `[out, in]`: gateProj and upProj `[I, H]`, downProj `[H, I]`. */
  readonly experts: readonly ExpertTensors[]
  /** Most tokens of one call; 512 unless given. */
  readonly maxTokens?: number
}

/** What a call gives. Copies: they stay as they are. */
export interface MoeOutput {
  /** `[T, H]` */
  readonly output: Float32Array
  /** `[T, E]` */
  readonly logits: Float32Array
  readonly routing: Routing
}

/** A layer that takes and gives plain arrays. */
export interface StandaloneMoeLayer {
  /** What speaks against the settings, one sentence each. */
  readonly warnings: readonly string[]
  /** Runs the layer on `hidden` `[T, H]`. @throws RangeError when its length is no multiple of H, or too many tokens */
  run(hidden: Float32Array, options?: MoeOptions): MoeOutput
  close(): void
}

/**
 * Packs experts into the backend's arena and returns a layer of them.
 *
 * @throws MoeSettingsError on settings or shapes that cannot be, saying what was expected
 */
export function createMoeLayer(options: CreateMoeLayerOptions): StandaloneMoeLayer {
  const { backend, hiddenSize, topK, router, experts, maxTokens = 512, normalizesWeights = true } = options
  const { settings, warnings } = parseMoeSettings({ ...options, numExperts: experts.length })
  checkRouter(router, hiddenSize, experts.length)

  const opened = experts.map((tensors, id) => openExpert(tensors, id, options))
  const { numExperts, temperature } = settings
  const layer: MoeLayer = {
    backend,
    router,
    experts: opened.map(({ slab }) => slab),
    sharedExpert: undefined,
    config: {
      hiddenSize,
      numExperts,
      topK,
      router: { kind: "top-k", topK, score: "softmax", normalizesWeights, temperature },
    },
  }
  const scratch = createMoeScratch(layer, maxTokens)
  const input = backend.arena.rows(maxTokens, hiddenSize)
  const out = backend.arena.rows(maxTokens, hiddenSize)

  return {
    warnings,
    run(hidden, moeOptions = {}) {
      const numTokens = hidden.length / hiddenSize
      if (!Number.isInteger(numTokens) || numTokens > maxTokens) {
        throw new RangeError(
          `hidden: expected at most ${maxTokens} rows of ${hiddenSize}, found ${hidden.length} values`,
        )
      }
      input.values.set(hidden)
      const capacity = expertCapacity(numTokens, settings)
      const routing = moeLayer(out, input, numTokens, layer, scratch, { capacity, ...moeOptions })
      return {
        output: out.values.slice(0, numTokens * hiddenSize),
        logits: scratch.logits.values.slice(0, numTokens * numExperts),
        routing: {
          numTokens,
          topK,
          expertIds: routing.expertIds.slice(0, numTokens * topK),
          weights: routing.weights.slice(0, numTokens * topK),
        },
      }
    },
    close() {
      const { logits, dispatched, outputs, shared } = scratch
      for (const { slab, span } of opened) {
        backend.closeSlab(slab)
        if (slab.readsArena) backend.arena.free(span)
      }
      for (const { span } of [logits, dispatched, outputs, shared, input, out]) backend.arena.free(span)
    },
  }
}

function openExpert(
  tensors: ExpertTensors,
  id: number,
  { backend, hiddenSize, expertIntermediateSize, activation, format = "f32" }: CreateMoeLayerOptions,
): { slab: Slab; span: Span } {
  const { arena } = backend
  const hasBias = tensors.upBias !== undefined || tensors.downBias !== undefined || tensors.gateBias !== undefined
  const shape = {
    format,
    hiddenSize,
    intermediateSize: expertIntermediateSize,
    activation,
    hasBias,
    hasGateProj: tensors.gateProj !== undefined,
  }
  const layout = planExpertSlab(shape)
  const span = arena.allocate(layout.bytes)
  try {
    packExpertSlab(arena.bytes(span), layout, tensors)
    const slab = backend.openSlab(span, layout)
    if (!slab.readsArena) arena.free(span)
    return { slab, span }
  } catch (error) {
    arena.free(span)
    throw new MoeSettingsError(
      `experts[${id}] of ${expertIntermediateSize} × ${hiddenSize}: ${(error as Error).message}`,
    )
  }
}

function checkRouter(router: LinearRouter | MlpRouter, hiddenSize: number, numExperts: number): void {
  const check = (name: string, found: number | undefined, expected: number): void => {
    if (found === undefined || found === expected) return
    throw new MoeSettingsError(`router.${name}: expected ${expected} values, found ${found}`)
  }
  if (router.kind === "linear") {
    check("weight [E, H]", router.weight.length, numExperts * hiddenSize)
    check("bias [E]", router.bias?.length, numExperts)
  } else {
    const width = router.hiddenBias.length
    check("hiddenWeight [R, H]", router.hiddenWeight.length, width * hiddenSize)
    check("outputWeight [E, R]", router.outputWeight.length, numExperts * width)
    check("outputBias [E]", router.outputBias.length, numExperts)
  }
}
