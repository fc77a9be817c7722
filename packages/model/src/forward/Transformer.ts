/**
 * One forward pass of a whole model over a mixed batch: embed → layers → head.
 *
 * Every family runs through here; what differs between them is data (`ModelConfig`). It knows nothing of files, sampling or requests.
 */
import { createMoeScratch, type MoeLayer, type MoeScratch, moeLayer, residentExperts } from "@consilium/experts"
import { createRouting, type Routing } from "@consilium/gating"
import type { AttentionLayer, Backend, RopeTable, Rows } from "@consilium/kernels"
import { createRopeTable } from "../families/createRopeTable.ts"
import type { LayerConfig, ModelConfig } from "../ModelConfig.ts"
import type { PreparedModel } from "../prepared/PreparedModel.ts"
import type { ModelExperts } from "./ModelExperts.ts"
import { chooseCacheFormat, createAttentionLayer, createKvState, type LayerState } from "./LayerState.ts"
import { type LayerSlabs, loadWeights, type Weights } from "./loadWeights.ts"
import type { StepBatch } from "./StepBatch.ts"
import { createScratch, type Scratch } from "./createScratch.ts"
import { createNextMoe, foresee, type MoeState, type NextMoe } from "./foresee.ts"
import { copyValues } from "./copyValues.ts"
import { embedIds, headLogits } from "./vocabulary.ts"

/** What an observer sees of a layer that has just run. Views of scratch: copy what is kept. */
export interface LayerView {
  /** The layer's output `[T, H]`, before the final norm. */
  readonly hidden: Float32Array
  /** `[T, E]` router logits and the routing made of them; undefined in a dense layer. */
  readonly routerLogits: Float32Array | undefined
  readonly routing: Routing | undefined
}

export interface Transformer {
  readonly config: ModelConfig
  readonly backend: Backend
  readonly numSlots: number
  /** Most positions a slot can hold. */
  readonly capacity: number
  /** Most rows of one batch. */
  readonly maxRows: number
  /** Bytes that the weights hold, as the backend counts them. */
  readonly weightBytes: number
  /**
   * Runs one batch; allocates nothing unless `onLayer` is given. Writes scratch and the slots' state past their lengths only: a failed run can be repeated.
   *
   * @throws Error when a row is not finite after the last layer; ExpertSource's and the backend's own errors
   */
  run(batch: StepBatch, onLayer?: (layer: number, view: LayerView) => void): void
  /** Returns the logits `[V]` of the last row of `batch.slots[index]`; valid until the next run. */
  logits(index: number): Float32Array
  /** Returns the logits `[V]` of row `row` of a batch that wanted all. */
  rowLogits(row: number): Float32Array
  /** Returns how the last batch was routed in a layer; undefined in a dense layer. */
  routing(layer: number): Routing | undefined
  copyPrefix(fromSlot: number, toSlot: number, numPositions: number): void
  close(): void
}

export interface TransformerOptions {
  readonly prepared: PreparedModel
  readonly backend: Backend
  readonly numSlots: number
  readonly capacity: number
  readonly maxRows: number
  /** Most logits of one run; `numSlots` unless all rows' logits are wanted. */
  readonly maxLogitRows?: number
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void
  /** Who holds the experts of layers with a router; the transformer itself, all awake, unless given. */
  readonly experts?: ModelExperts
}

/** A layer, ready to run. */
interface Layer {
  readonly config: LayerConfig
  readonly slabs: LayerSlabs
  readonly attention: AttentionLayer
  readonly state: LayerState
  readonly moe: MoeState | undefined
  /** The next layer with experts, in this step. */
  next: NextMoe | undefined
}

/** Loads a prepared model's weights and allocates everything that its steps need. */
export function createTransformer(options: TransformerOptions): Transformer {
  const { prepared, backend, numSlots, capacity, maxRows, maxLogitRows = numSlots } = options
  const { config } = prepared
  const { experts, onProgress } = options
  const weights = loadWeights(prepared, backend, {
    holdsExperts: experts === undefined,
    onProgress,
  })
  const layers = createLayers(weights, options)
  const scratch = createScratch(config, backend, maxRows, weights, maxLogitRows)
  const logitViews = Array.from({ length: maxLogitRows }, (_, i) =>
    scratch.logits.values.subarray(i * config.vocabSize, (i + 1) * config.vocabSize),
  )
  const logitRow = new Int32Array(numSlots)
  const limits = { maxRows, numSlots, maxLogitRows }

  const runLayer = (layer: Layer, batch: StepBatch): void => {
    const { hidden, normed, branch, qkv, attended } = scratch
    const { numRows } = batch
    const { slabs } = layer
    const vectors = slabs.prepared

    backend.norm(normed, hidden, numRows, vectors.attentionNorm, config.normEpsilon)
    backend.matmul(qkv, normed, numRows, slabs.qkv)
    backend.attend(attended, qkv, layer.state.slotRows(batch), layer.attention)
    backend.matmul(branch, attended, numRows, slabs.outProj)
    backend.addScaled(hidden, branch, numRows)

    backend.norm(normed, hidden, numRows, vectors.feedForwardNorm, config.normEpsilon)
    if (layer.moe === undefined) backend.expert(branch, normed, 0, numRows, slabs.experts[0]!)
    else {
      const { layer: moe, scratch: moeScratch, routing, index } = layer.moe
      if (experts !== undefined && layer.next !== undefined && experts.wantsForesight(layer.next.index, numRows))
        foresee(experts, layer.next, scratch, numRows, backend, config.normEpsilon)
      const routed = moeLayer(branch, normed, numRows, moe, moeScratch, experts?.options(index))
      copyRouting(routing, routed)
      experts?.observeRouting?.(index, routed, moeScratch.logits.values)
    }
    backend.addScaled(hidden, branch, numRows)
  }

  /** Gathers the rows whose logits are wanted into `headRows`; returns how many. */
  const gatherHeadRows = ({ numRows, slots, wantsAllLogits }: StepBatch): number => {
    const { hidden, headRows } = scratch
    const { hiddenSize } = config
    if (wantsAllLogits === true) {
      copyValues(headRows.values, 0, hidden.values, 0, numRows * hiddenSize)
      return numRows
    }
    let n = 0
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i]!
      logitRow[i] = slot.wantsLogits ? n : -1
      if (!slot.wantsLogits) continue
      const last = slot.firstRow + slot.numRows - 1
      copyValues(headRows.values, n * hiddenSize, hidden.values, last * hiddenSize, hiddenSize)
      n++
    }
    return n
  }

  return {
    config,
    backend,
    numSlots,
    capacity,
    maxRows,
    weightBytes: weights.numBytes,
    run(batch, onLayer) {
      checkBatch(batch, limits)
      experts?.beginStep?.(batch)
      embedIds(scratch.hidden, batch.ids, batch.numRows, weights.embedding, backend, scratch.normed, scratch.ids)
      for (let l = 0; l < layers.length; l++) {
        runLayer(layers[l]!, batch)
        onLayer?.(l, viewLayer(layers[l]!, scratch))
      }
      requireFinite(scratch.hidden, batch.numRows)
      const numLogits = gatherHeadRows(batch)
      if (numLogits === 0) return
      backend.norm(scratch.headRows, scratch.headRows, numLogits, prepared.finalNorm, config.normEpsilon)
      headLogits(scratch.logits, scratch.headRows, numLogits, weights.head, backend, scratch.partLogits)
    },
    logits(index) {
      const row = logitRow[index] ?? -1
      if (row < 0) throw new Error(`entry ${index} of the batch did not ask for logits`)
      return logitViews[row]!
    },
    rowLogits: (row) => logitViews[row]!,
    routing: (layer) => layers[layer]?.moe?.routing,
    copyPrefix(fromSlot, toSlot, numPositions) {
      for (const { state } of layers) state.copyPrefix(fromSlot, toSlot, numPositions)
    },
    close() {
      weights.close()
    },
  }
}

/**
 * Throws unless all rows `[T, H]` are finite.
 *
 * A row's first value tells: what is not finite anywhere in a row is NaN in all of it a layer later, and what the last layer does to a row
 * shows in its logits, or to nobody.
 */
function requireFinite({ values, width }: Rows, numRows: number): void {
  for (let row = 0; row < numRows; row++) {
    if (!Number.isFinite(values[row * width]!)) throw new Error(`row ${row}: hidden states are not finite`)
  }
}

function viewLayer({ moe }: Layer, { hidden }: Scratch): LayerView {
  return { hidden: hidden.values, routerLogits: moe?.scratch.logits.values, routing: moe?.routing }
}

function createLayers(weights: Weights, options: TransformerOptions): Layer[] {
  const { prepared, backend, capacity, maxRows } = options
  const { config } = prepared
  const ropes = new Map<string, RopeTable>()
  const scratches = new Map<string, MoeScratch>()
  const once = <T>(map: Map<string, T>, key: unknown, create: () => T): T => {
    const name = JSON.stringify(key)
    const found = map.get(name) ?? create()
    map.set(name, found)
    return found
  }

  const layers = weights.layers.map((slabs, l): Layer => {
    const layerConfig = config.layers[l]!
    const { attention, feedForward } = layerConfig
    const { qNorm, kNorm, sharedExpertGate } = slabs.prepared
    const rope = once(ropes, attention.rope, () => createRopeTable(attention.rope, capacity))
    const epsilon = config.normEpsilon
    const createMoe = (): Layer["moe"] => {
      if (feedForward.kind === "dense") return undefined
      const { numExperts, topK, router } = feedForward
      const layer: MoeLayer = {
        backend,
        config: { hiddenSize: config.hiddenSize, numExperts, topK, router },
        router: { kind: "slab", slab: slabs.router! },
        experts: options.experts?.source(l) ?? residentExperts(slabs.experts),
        sharedExpert: slabs.sharedExpert && { slab: slabs.sharedExpert, gate: sharedExpertGate },
      }
      const { numExperts: numInstances } = layer.experts
      const scratch = once(scratches, [numExperts, numInstances, topK, router], () => createMoeScratch(layer, maxRows))
      return { index: l, layer, scratch, routing: createRouting(maxRows, topK) }
    }
    return {
      config: layerConfig,
      slabs,
      attention: createAttentionLayer(attention, { qNorm, kNorm, epsilon }, rope),
      state: createKvState(backend.arena, attention, {
        ...options,
        cacheFormat: chooseCacheFormat(attention, prepared.format, backend),
      }),
      moe: createMoe(),
      next: undefined,
    }
  })
  for (const [l, layer] of layers.entries()) {
    const next = layers.slice(l + 1).find(({ moe }) => moe !== undefined)
    if (next?.moe !== undefined) layer.next = createNextMoe(next.moe, next.slabs.prepared.feedForwardNorm, maxRows)
  }
  return layers
}

function copyRouting(out: Routing, { numTokens, topK, expertIds, weights }: Routing): void {
  out.numTokens = numTokens
  for (let a = 0; a < numTokens * topK; a++) {
    out.expertIds[a] = expertIds[a]!
    out.weights[a] = weights[a]!
  }
}

function checkBatch(
  { numRows, slots, wantsAllLogits }: StepBatch,
  { maxRows, numSlots, maxLogitRows }: Required<Pick<TransformerOptions, "maxRows" | "numSlots" | "maxLogitRows">>,
): void {
  if (numRows > maxRows) throw new Error(`a batch of ${numRows} rows exceeds maxRows ${maxRows}`)
  if (slots.length > numSlots) throw new Error(`a batch of ${slots.length} entries exceeds the ${numSlots} slots`)
  if (wantsAllLogits === true && numRows > maxLogitRows) {
    throw new Error(`logits of ${numRows} rows exceed maxLogitRows ${maxLogitRows}`)
  }
}
