/** The steps of attention, as commands of the queue: queries and keys are normed and rotated, keys and values appended, and queries attend, as many slots at once as can be. */
import { type AttentionLayer, cacheFormatOf, type SlotRows } from "@consilium/kernels"
import { type AttendBatch, attendBatches, type DeviceSlot } from "./attendBatches.ts"
import { tileOf } from "./AttendKind.ts"
import { BATCHED_SLOTS, type BatchedSlot, batchParameters } from "./batchedSlots.ts"
import type { DeviceRows } from "./DeviceRows.ts"
import { floatBits } from "./floatBits.ts"
import type { BufferId } from "./GpuQueue.ts"
import { rotateKindOf } from "./rotateKernel.ts"
import type { GpuContext } from "./runRows.ts"

/** Returns slots with their keys and values on the device. */
export function slotsOf(rows: DeviceRows, slots: readonly SlotRows[]): DeviceSlot[] {
  return slots.map((slot) => ({
    ...slot,
    cacheFormat: cacheFormatOf(slot.keys),
    keys: rows.state("keys", slot.keys, slot.pastLength > 0),
    values: rows.state("values", slot.values, slot.pastLength > 0),
  }))
}

/**
 * Attention of all slots' rows, at least one of each: `out [T, numHeads * headDim]` of `qkv [T, (numHeads + 2 * numKvHeads) * headDim]`, which norm and rope overwrite.
 */
export function attendRows(
  context: GpuContext,
  out: BufferId,
  qkv: BufferId,
  slots: readonly DeviceSlot[],
  layer: AttentionLayer,
): void {
  const batches = attendBatches(slots, layer)
  const batched = batches.flatMap((batch) => batch.slots)
  for (let s = 0; s < batched.length; s += BATCHED_SLOTS)
    rotateRows(context, qkv, batched.slice(s, s + BATCHED_SLOTS), layer)
  for (const batch of batches) appendBatch(context, qkv, batch, layer)
  for (const batch of batches) attendBatch(context, out, qkv, batch, layer)
}

/** Norms and rotates the queries and keys of all rows of the slots that one dispatch has room for. */
function rotateRows(
  { queue, kernels, constants }: GpuContext,
  qkv: BufferId,
  slots: readonly BatchedSlot[],
  layer: AttentionLayer,
): void {
  const kind = rotateKindOf(layer)
  if (kind === undefined) return
  const { numHeads, numKvHeads, headDim, rope, qkNorm } = layer
  const numRows = slots.reduce((sum, slot) => sum + slot.numRows, 0)
  const numPairs = (rope?.rotaryDim ?? 0) / 2
  const [step, partner] = rope?.isInterleaved === true ? [2, 1] : [1, numPairs]
  const shape = [numHeads, numKvHeads, headDim, numPairs, step, partner, floatBits(qkNorm?.epsilon ?? 0)]
  const vectors = [qkNorm?.q, qkNorm?.k, rope?.cos, rope?.sin].filter((values) => values !== undefined)
  const grid = [numRows, kind.normsOver === "projection" ? 2 : numHeads + numKvHeads] as const
  const buffers = [qkv, ...vectors.map((values) => constants.take(values))]
  queue.dispatch(kernels.rotate(kind), grid, batchParameters(shape, slots), buffers)
}

function appendBatch(
  { queue, kernels }: GpuContext,
  qkv: BufferId,
  { kind, keys, values, slots, numRows }: AttendBatch,
  { numHeads, numKvHeads, headDim }: AttentionLayer,
): void {
  const parameters = batchParameters([numHeads, numKvHeads, headDim], slots)
  const buffers = [qkv, keys.buffer, values.buffer]
  queue.dispatch(kernels.append(kind.cacheFormat), [numRows, numKvHeads], parameters, buffers)
}

function attendBatch(
  { queue, kernels, scratch }: GpuContext,
  out: BufferId,
  qkv: BufferId,
  { kind, keys, values, slots, numRows, workgroups, mostBlocks, numSums, isSplit }: AttendBatch,
  { numHeads, numKvHeads, headDim, scale, slidingWindow }: AttentionLayer,
): void {
  const window = Math.min(slidingWindow, 2 ** 32 - 1)
  const blockValues = scratch.take("blockValues", isSplit ? numSums * headDim * 4 : 0)
  const blockSums = scratch.take("blockSums", isSplit ? numSums * 8 : 0)
  const shape = [numHeads, numKvHeads, headDim / kind.vector, window, floatBits(scale), isSplit ? 1 : 0]
  const grid = [isSplit ? mostBlocks : 1, workgroups] as const
  const buffers = [qkv, keys.buffer, values.buffer, out, blockValues, blockSums]
  const numTiles = (slot: BatchedSlot): number => Math.ceil((slot.numRows * numHeads) / numKvHeads / tileOf(kind))
  queue.dispatch(kernels.attend(kind), grid, batchParameters(shape, slots, numTiles), buffers)
  if (!isSplit) return
  const parameters = batchParameters([numHeads, headDim, window], slots)
  queue.dispatch(kernels.merge(), [numRows, numHeads], parameters, [blockValues, blockSums, out])
}
