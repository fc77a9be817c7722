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
  expertActivation,
  type ExpertTensors,
  type Format,
  packExpertSlab,
  planExpertSlab,
  type Rows,
  type Slab,
  type Span,
} from "@consilium/kernels"
import { allocateRows } from "./allocateRows.ts"
import { residentExperts } from "./ExpertSource.ts"
import { moeLayer } from "./moeLayer.ts"
import { createMoeScratch, type MoeConfig, type MoeLayer, type MoeOptions, type MoeScratch } from "./MoeWeights.ts"

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
 * @throws MoeSettingsError on settings or shapes that cannot be, saying what was expected; Error when the arena is full. Neither keeps memory.
 */
export function createMoeLayer(options: CreateMoeLayerOptions): StandaloneMoeLayer {
  const { hiddenSize, topK, router, experts, maxTokens = 512, normalizesWeights = true } = options
  const { settings, warnings } = parseMoeSettings({ ...options, numExperts: experts.length })
  checkRouter(router, hiddenSize, experts.length)
  checkMaxTokens(maxTokens)

  const { numExperts, temperature } = settings
  const routerConfig = { kind: "top-k", topK, score: "softmax", normalizesWeights, temperature } as const
  const { layer, scratch, input, out, close } = openLayer(
    options,
    { hiddenSize, numExperts, topK, router: routerConfig },
    maxTokens,
  )
  let isOpen = true

  return {
    warnings,
    run(hidden, moeOptions = {}) {
      if (!isOpen) throw new Error("this layer is closed: create another")
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
      isOpen = false
      close()
    },
  }
}

interface OpenLayer {
  readonly layer: MoeLayer
  readonly scratch: MoeScratch
  /** `[maxTokens, H]` each. */
  readonly input: Rows
  readonly out: Rows
  /** Gives all memory back, once. */
  close(): void
}

function openLayer(options: CreateMoeLayerOptions, config: MoeConfig, maxTokens: number): OpenLayer {
  const { backend, router } = options
  const releases: (() => void)[] = []
  const close = (): void => {
    for (const release of releases.splice(0)) release()
  }
  const own = (...all: readonly Rows[]): void => {
    for (const { span } of all) releases.push(() => backend.arena.free(span))
  }
  try {
    const experts = options.experts.map((tensors, id) => {
      const { slab, release } = openExpert(tensors, id, options)
      releases.push(release)
      return slab
    })
    const layer: MoeLayer = { backend, router, experts: residentExperts(experts), sharedExpert: undefined, config }
    const scratch = createMoeScratch(layer, maxTokens)
    own(scratch.logits, scratch.dispatched, scratch.outputs, scratch.shared)
    const shape = [maxTokens, config.hiddenSize] as const
    const [input, out] = allocateRows(backend.arena, [shape, shape])
    own(input, out)
    return { layer, scratch, input, out, close }
  } catch (error) {
    close()
    throw error
  }
}

function openExpert(
  tensors: ExpertTensors,
  id: number,
  { backend, hiddenSize, expertIntermediateSize, activation, format = "f32" }: CreateMoeLayerOptions,
): { slab: Slab; release: () => void } {
  const { arena } = backend
  const hasBias = tensors.upBias !== undefined || tensors.downBias !== undefined || tensors.gateBias !== undefined
  const hasGateProj = tensors.gateProj !== undefined
  const sizes = { format, hiddenSize, intermediateSize: expertIntermediateSize, hasBias }
  let span: Span | undefined
  try {
    const layout = planExpertSlab({ ...sizes, ...expertActivation(activation, hasGateProj) })
    span = arena.allocate(layout.bytes)
    packExpertSlab(arena.bytes(span), layout, tensors)
    const slab = backend.openSlab(span, layout)
    const packed = span
    if (!slab.readsArena) arena.free(packed)
    const release = (): void => {
      backend.closeSlab(slab)
      if (slab.readsArena) arena.free(packed)
    }
    return { slab, release }
  } catch (error) {
    if (span !== undefined) arena.free(span)
    throw new MoeSettingsError(
      `experts[${id}] of ${expertIntermediateSize} × ${hiddenSize}: ${(error as Error).message}`,
    )
  }
}

function checkMaxTokens(maxTokens: number): void {
  if (Number.isInteger(maxTokens) && maxTokens >= 1) return
  throw new MoeSettingsError(
    `maxTokens: expected a whole number of at least 1, found ${maxTokens}: the most tokens of one call`,
  )
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
    const numEmbedded = router.taskEmbedding?.length ?? 0
    if (numEmbedded % width !== 0) {
      throw new MoeSettingsError(
        `router.taskEmbedding [tasks, R]: expected a multiple of ${width} values, found ${numEmbedded}`,
      )
    }
  }
}
