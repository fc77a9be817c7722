/**
 * One forward pass of a whole model over a mixed batch: embed → layers → head.
 *
 * Every family runs through here; what differs between them is data (`ModelConfig`). It knows nothing of files, sampling or requests.
 */
import { moeLayer, readRouting, runOnDevice } from "@consilium/experts"
import type { Routing } from "@consilium/gating"
import type { Backend, Rows } from "@consilium/kernels"
import type { ModelConfig } from "../ModelConfig.ts"
import type { Shortlist } from "../sampling/index.ts"
import { createLayers, type Layer } from "./createLayers.ts"
import { loadWeights } from "./loadWeights.ts"
import type { StepBatch } from "./StepBatch.ts"
import type { TransformerOptions } from "./TransformerOptions.ts"
import { createScratch, type Scratch } from "./createScratch.ts"
import { foresee, type MoeState } from "./foresee.ts"
import { copyRows } from "./copyRows.ts"
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
  /** Returns the largest logits of that row and their ids, where the batch wanted no more; undefined where all are there. */
  shortlist(index: number): Shortlist | undefined
  /** Returns the logits `[V]` of row `row` of a batch that wanted all. */
  rowLogits(row: number): Float32Array
  /** Returns how the last batch was routed in a layer; undefined in a dense layer. */
  routing(layer: number): Routing | undefined
  copyPrefix(fromSlot: number, toSlot: number, numPositions: number): void
  close(): void
}

const NO_OPTIONS = {}

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
  const shortlistViews = viewShortlists(scratch.shortlists)
  const logitRow = new Int32Array(numSlots)
  let listsBest = false
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
    else runMoe(layer.moe, layer, numRows)
    backend.addScaled(hidden, branch, numRows)
  }

  const runMoe = (of: MoeState, layer: Layer, numRows: number): void => {
    const { normed, branch } = scratch
    const { layer: moe, scratch: moeScratch, routing, index, onDevice } = of
    const moeOptions = experts?.options(index) ?? NO_OPTIONS
    // Who wants to see logits of every layer wants them while the step runs.
    const mayBeOnDevice = onDevice !== undefined && experts?.observeRouting === undefined
    of.isOnDevice = mayBeOnDevice && runOnDevice(onDevice, branch, normed, numRows, moe, moeScratch, moeOptions)
    if (of.isOnDevice) return
    if (experts !== undefined && layer.next !== undefined && experts.wantsForesight(layer.next.index, numRows))
      foresee(experts, layer.next, scratch, numRows, backend, config.normEpsilon)
    const routed = moeLayer(branch, normed, numRows, moe, moeScratch, moeOptions)
    copyRouting(routing, routed)
    experts?.observeRouting?.(index, routed, moeScratch.logits.values)
  }

  /** Asks for what a layer that was routed on the device made of it. */
  const askRouting = ({ moe }: Layer, numRows: number): void => {
    if (moe?.isOnDevice === true) backend.read?.(moe.onDevice!.routed, numRows)
  }
  const takeRouting = ({ moe }: Layer, numRows: number): void => {
    if (moe?.isOnDevice === true) readRouting(moe.routing, moe.onDevice!, numRows, moe.layer, moe.scratch)
  }

  /** Has a layer's rows lie in the arena, for who looks on. */
  const show = (layer: Layer, numRows: number): void => {
    backend.read?.(scratch.hidden, numRows)
    if (layer.moe !== undefined) backend.read?.(layer.moe.scratch.logits, numRows)
    askRouting(layer, numRows)
    backend.sync?.()
    takeRouting(layer, numRows)
  }

  /** Gathers the rows whose logits are wanted into `headRows`; returns how many. */
  const gatherHeadRows = ({ numRows, slots, wantsAllLogits }: StepBatch): number => {
    const { hidden, headRows } = scratch
    if (wantsAllLogits === true) {
      copyRows(backend, headRows, 0, hidden, 0, numRows)
      return numRows
    }
    let n = 0
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i]!
      logitRow[i] = slot.wantsLogits ? n : -1
      if (!slot.wantsLogits) continue
      const last = slot.firstRow + slot.numRows - 1
      copyRows(backend, headRows, n++, hidden, last, 1)
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
      const { numRows } = batch
      experts?.beginStep?.(batch)
      backend.beginStep?.()
      embedIds(scratch.hidden, batch.ids, batch.numRows, weights.embedding, backend, scratch.normed, scratch.ids)
      for (let l = 0; l < layers.length; l++) {
        runLayer(layers[l]!, batch)
        if (onLayer === undefined) continue
        show(layers[l]!, numRows)
        onLayer(l, viewLayer(layers[l]!, scratch))
      }
      const numLogits = gatherHeadRows(batch)
      if (numLogits > 0) {
        backend.norm(scratch.headRows, scratch.headRows, numLogits, prepared.finalNorm, config.normEpsilon)
        headLogits(scratch.logits, scratch.headRows, numLogits, weights.head, backend, scratch.partLogits)
        listsBest = batch.wantsShortlists === true && scratch.shortlists !== undefined
        if (listsBest) backend.shortlist!(scratch.shortlists!, scratch.logits, numLogits)
        backend.read?.(listsBest ? scratch.shortlists! : scratch.logits, numLogits)
      }
      backend.read?.(scratch.hidden, numRows)
      for (let l = 0; l < layers.length; l++) askRouting(layers[l]!, numRows)
      backend.endStep?.()
      requireFinite(scratch.hidden, numRows)
      if (onLayer === undefined) for (let l = 0; l < layers.length; l++) takeRouting(layers[l]!, numRows)
    },
    logits(index) {
      const row = logitRow[index] ?? -1
      if (row < 0) throw new Error(`entry ${index} of the batch did not ask for logits`)
      return logitViews[row]!
    },
    shortlist: (index) => (listsBest ? shortlistViews[logitRow[index]!] : undefined),
    rowLogits: (row) => logitViews[row]!,
    routing: (layer) => layers[layer]?.moe?.routing,
    copyPrefix(fromSlot, toSlot, numPositions) {
      backend.beginStep?.()
      for (const { state } of layers) state.copyPrefix(fromSlot, toSlot, numPositions)
      backend.endStep?.()
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

function viewShortlists(rows: Rows | undefined): readonly Shortlist[] {
  if (rows === undefined) return []
  const { values, width } = rows
  return Array.from({ length: values.length / width }, (_, row) => {
    const middle = row * width + width / 2
    return { values: values.subarray(row * width, middle), ids: values.subarray(middle, (row + 1) * width) }
  })
}

function viewLayer({ moe }: Layer, { hidden }: Scratch): LayerView {
  return { hidden: hidden.values, routerLogits: moe?.scratch.logits.values, routing: moe?.routing }
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
