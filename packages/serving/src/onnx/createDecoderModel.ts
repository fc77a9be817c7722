import { type ForeignModel, tensorOf } from "@consilium/onnx"
import type { BatchSlot, StepBatch } from "@consilium/model"
import type { StepModel } from "../engine/StepModel.ts"
import { DecoderCache } from "./DecoderCache.ts"
import type { DecoderShape } from "./describeDecoder.ts"

interface DecoderSizes {
  readonly numSlots: number
  readonly capacity: number
  readonly maxRows: number
}

/** Logits grow by so many rows: a text that is read anew for each token grows by one. */
const ROWS_AHEAD = 64

/** One slot's sequence. */
interface SlotState {
  /** All ids of it, as far as they have been read. */
  ids: number[]
  cache: DecoderCache
}

/**
 * Makes a user's decoder a model that an engine's steps run: each slot of a batch is a run of its own, with what it remembers, or, where the decoder
 * remembers nothing, with the whole text.
 */
export function createDecoderModel(
  decoder: ForeignModel,
  shape: DecoderShape,
  { numSlots, capacity, maxRows }: DecoderSizes,
): StepModel {
  const { vocabSize, cache: tensors } = shape
  const hasCache = tensors.length > 0
  const states = Array.from({ length: numSlots }, (): SlotState => ({
    ids: [],
    cache: new DecoderCache(tensors, capacity),
  }))
  let spare = new DecoderCache(tensors, capacity)
  const logits = createLogits(shape, hasCache ? maxRows : capacity)
  const rows = Array.from({ length: numSlots }, () => new Float32Array(vocabSize))

  const runSlot = (state: SlotState, ids: readonly number[], past: number, out: Float32Array | undefined): void => {
    const fed = hasCache ? ids : [...state.ids, ...ids]
    const first = hasCache ? past : 0
    const feeds = { ...integerFeeds(shape, fed, first), ...state.cache.feeds() }
    const fetched = out === undefined ? {} : { logits: logits.tensor(fed.length) }
    decoder.run(feeds, { ...fetched, ...spare.fetches(past + ids.length) })
    ;[state.cache, spare] = [spare, state.cache]
    out?.set(logits.last(fed.length))
  }

  return {
    config: { vocabSize, layers: [] },
    numSlots,
    capacity,
    maxRows,
    backend: {},
    run({ ids, slots }: StepBatch) {
      for (const [i, { slotId, firstRow, numRows, pastLength, wantsLogits }] of slots.entries()) {
        const state = states[slotId]!
        forgetFrom(state, pastLength)
        const own = [...ids.subarray(firstRow, firstRow + numRows)]
        // Without a cache there is nothing to be had of a piece of a prompt.
        if (hasCache || wantsLogits) runSlot(state, own, pastLength, wantsLogits ? rows[i] : undefined)
        state.ids.push(...own)
      }
    },
    logits: (index) => rows[index]!,
    copyPrefix(from, to, numPositions) {
      states[to]!.ids = states[from]!.ids.slice(0, numPositions)
      if (hasCache) states[to]!.cache.copyFrom(states[from]!.cache, numPositions)
    },
    routing: () => undefined,
    expertBytes: () => 0,
  }
}

/** A step that is run again, or a prompt that begins like the slot's last one, goes on from there. */
function forgetFrom({ ids, cache }: SlotState, length: BatchSlot["pastLength"]): void {
  if (ids.length < length) throw new Error(`onnx: expected ${length} positions in the slot, found ${ids.length}`)
  ids.length = length
  if (cache.length > length) cache.truncate(length)
}

function integerFeeds({ integers }: DecoderShape, ids: readonly number[], first: number) {
  const values: Readonly<Record<string, readonly number[]>> = {
    input_ids: ids,
    attention_mask: Array.from({ length: first + ids.length }, () => 1),
    position_ids: Array.from(ids, (_, i) => first + i),
  }
  return Object.fromEntries(
    [...integers].map(([name, type]) => {
      const row = values[name]!
      const typed = type === "i32" ? Int32Array.from(row) : BigInt64Array.from(row, BigInt)
      return [name, tensorOf(typed, [1, row.length])]
    }),
  )
}

/** Memory for the logits of one run: decoders give those of all rows. */
function createLogits({ vocabSize, logits: { type, isLastOnly } }: DecoderShape, mostRows: number) {
  const rowsOf = (numRows: number): number => (isLastOnly ? 1 : numRows)
  let values: Float32Array | Float16Array = new Float32Array(0)
  const reserve = (length: number): void => {
    if (values.length >= length) return
    const grown = Math.min(length + ROWS_AHEAD * vocabSize, rowsOf(mostRows) * vocabSize)
    values = type === "f32" ? new Float32Array(grown) : new Float16Array(grown)
  }
  return {
    tensor(numRows: number) {
      const length = rowsOf(numRows) * vocabSize
      reserve(length)
      return tensorOf(values.subarray(0, length), [1, rowsOf(numRows), vocabSize])
    },
    last(numRows: number): Float32Array | Float16Array {
      const end = rowsOf(numRows) * vocabSize
      return values.subarray(end - vocabSize, end)
    },
  }
}
