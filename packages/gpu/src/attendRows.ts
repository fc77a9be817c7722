/** The steps of attention, as commands of the queue: queries and keys are normed and rotated, keys and values appended, and each slot's queries attend. */
import { type AttentionLayer, type CacheFormat, cacheFormatOf, type SlotRows } from "@consilium/kernels"
import { attendKindFor, BLOCK, numColumnGroups, tileOf } from "./AttendKind.ts"
import type { DeviceRows } from "./DeviceRows.ts"
import { floatBits } from "./floatBits.ts"
import type { BufferId } from "./GpuQueue.ts"
import { ROTATED_SLOTS, rotateKindOf } from "./rotateKernel.ts"
import type { GpuContext } from "./runRows.ts"

/** A slot whose keys and values, `[numKvHeads, capacity, headDim]`, are on the device. */
export interface DeviceSlot extends Omit<SlotRows, "keys" | "values"> {
  readonly cacheFormat: CacheFormat
  readonly keys: BufferId
  readonly values: BufferId
}

/** Returns slots with their keys and values on the device. */
export function slotsOf(rows: DeviceRows, slots: readonly SlotRows[]): DeviceSlot[] {
  return slots.map((slot) => ({
    ...slot,
    cacheFormat: cacheFormatOf(slot.keys),
    keys: rows.state(slot.keys, slot.pastLength > 0),
    values: rows.state(slot.values, slot.pastLength > 0),
  }))
}

/** Fewer workgroups than these leave most of a GPU idle: a long past is then split among more. */
const ENOUGH_WORKGROUPS = 256
/** Most bytes of a slot's blocks until they are merged. */
const MAX_SPLIT_BYTES = 2 ** 26

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
  for (let s = 0; s < slots.length; s += ROTATED_SLOTS)
    rotateRows(context, qkv, slots.slice(s, s + ROTATED_SLOTS), layer)
  for (const slot of slots) appendRows(context, qkv, slot, layer)
  for (const slot of slots) attendSlot(context, out, qkv, slot, layer)
}

/** Norms and rotates the queries and keys of all rows of a few slots, in one dispatch. */
function rotateRows(
  { queue, kernels, constants }: GpuContext,
  qkv: BufferId,
  slots: readonly DeviceSlot[],
  layer: AttentionLayer,
): void {
  const kind = rotateKindOf(layer)
  if (kind === undefined) return
  const { numHeads, numKvHeads, headDim, rope, qkNorm } = layer
  const numRows = slots.reduce((sum, slot) => sum + slot.numRows, 0)
  const numPairs = (rope?.rotaryDim ?? 0) / 2
  const [step, partner] = rope?.isInterleaved === true ? [2, 1] : [1, numPairs]
  const shape = [numHeads, numKvHeads, headDim, numPairs, step, partner, floatBits(qkNorm?.epsilon ?? 0), 0]
  const parameters = slots.flatMap((slot) => [slot.firstRow, slot.numRows, slot.pastLength, 0])
  const vectors = [qkNorm?.q, qkNorm?.k, rope?.cos, rope?.sin].filter((values) => values !== undefined)
  const grid = [numRows, kind.normsOver === "projection" ? 2 : numHeads + numKvHeads] as const
  const buffers = [qkv, ...vectors.map((values) => constants.take(values))]
  queue.dispatch(kernels.rotate(kind), grid, [...shape, ...parameters], buffers)
}

function appendRows(
  { queue, kernels }: GpuContext,
  qkv: BufferId,
  { firstRow, numRows, pastLength, capacity, cacheFormat, keys, values }: DeviceSlot,
  { numHeads, numKvHeads, headDim }: AttentionLayer,
): void {
  const parameters = [numHeads, numKvHeads, headDim, firstRow, pastLength, capacity]
  queue.dispatch(kernels.append(cacheFormat), [numRows, numKvHeads], parameters, [qkv, keys, values])
}

function attendSlot(
  { queue, kernels, scratch }: GpuContext,
  out: BufferId,
  qkv: BufferId,
  { firstRow, numRows, pastLength, capacity, cacheFormat, keys, values }: DeviceSlot,
  { numHeads, numKvHeads, headDim, scale, slidingWindow }: AttentionLayer,
): void {
  const numQueries = numRows * (numHeads / numKvHeads)
  const kind = attendKindFor(numQueries, headDim, cacheFormat)
  const workgroups = Math.ceil(numQueries / tileOf(kind)) * numColumnGroups(kind, headDim) * numKvHeads
  const window = Math.min(slidingWindow, 2 ** 32 - 1)
  const firstBlock = Math.floor(Math.max(0, pastLength + 1 - window) / BLOCK)
  const numBlocks = Math.floor((pastLength + numRows - 1) / BLOCK) + 1 - firstBlock
  const valuesBytes = numRows * numHeads * numBlocks * headDim * 4
  const isSplit = numBlocks > 1 && workgroups < ENOUGH_WORKGROUPS && valuesBytes <= MAX_SPLIT_BYTES

  const blockValues = scratch.take("blockValues", isSplit ? valuesBytes : 0)
  const blockSums = scratch.take("blockSums", isSplit ? numRows * numHeads * numBlocks * 8 : 0)
  const heads = [numHeads, numKvHeads, headDim / kind.vector, firstRow, numRows, pastLength, capacity]
  const parameters = [...heads, window, floatBits(scale), firstBlock, isSplit ? numBlocks : 0]
  const grid = [isSplit ? numBlocks : 1, workgroups] as const
  const buffers = [qkv, keys, values, out, blockValues, blockSums]
  queue.dispatch(kernels.attend(kind), grid, parameters, buffers)
  if (!isSplit) return
  const merge = [numHeads, headDim, firstRow, pastLength, window, firstBlock, numBlocks]
  queue.dispatch(kernels.merge(), [numRows, numHeads], merge, [blockValues, blockSums, out])
}
