import { type AttentionLayer, type CacheFormat, cacheValueBytes, type SlotRows } from "@consilium/kernels"
import { type AttendKind, attendKindFor, BLOCK, numColumnGroups, tileOf } from "./AttendKind.ts"
import { BATCHED_SLOTS, type BatchedSlot } from "./batchedSlots.ts"
import type { GpuHeap, HeapPlace } from "./GpuHeaps.ts"

/** A slot whose keys and values, `[numKvHeads, capacity, headDim]`, are on the device. */
export interface DeviceSlot extends Omit<SlotRows, "keys" | "values"> {
  readonly cacheFormat: CacheFormat
  readonly keys: HeapPlace
  readonly values: HeapPlace
}

/** Slots that one dispatch of each kernel attends to. */
export interface AttendBatch {
  readonly kind: AttendKind
  readonly keys: GpuHeap
  readonly values: GpuHeap
  readonly slots: readonly BatchedSlot[]
  readonly numRows: number
  /** Workgroups of all slots, were each to take all blocks. */
  readonly workgroups: number
  /** Of the slot that has most. */
  readonly mostBlocks: number
  /** Sums of all blocks, one of each row, head and block. */
  readonly numSums: number
  /** Whether workgroups take a block each. */
  readonly isSplit: boolean
}

/** Fewer workgroups than these leave most of a GPU idle: long pasts are then split among more. */
const ENOUGH_WORKGROUPS = 256
/** Most bytes of a batch's sums until they are merged. */
const MAX_SPLIT_BYTES = 2 ** 26

/** A slot, and what its rows are for the kernels. */
interface MeasuredSlot {
  readonly slot: DeviceSlot
  readonly kind: AttendKind
  readonly numBlocks: number
  readonly workgroups: number
  readonly numSums: number
}

/**
 * Shares slots out among batches: of one kind, with keys in one heap and values in one, as many as parameters and sums have room for. One slot alone may pass the room for sums.
 *
 * A batch is split where its workgroups would be too few, each counted as a part of those that have most to do.
 */
export function attendBatches(slots: readonly DeviceSlot[], layer: AttentionLayer): AttendBatch[] {
  const mostSums = MAX_SPLIT_BYTES / (layer.headDim * 4)
  const groups: MeasuredSlot[][] = []
  for (const slot of slots) {
    const own = measureSlot(slot, layer)
    const group = groups.find(
      (of) => of.length < BATCHED_SLOTS && areAlike(of[0]!, own) && numSumsOf(of) + own.numSums <= mostSums,
    )
    if (group === undefined) groups.push([own])
    else group.push(own)
  }
  return groups.map((group) => batchOf(group, mostSums, layer))
}

function measureSlot(slot: DeviceSlot, { numHeads, numKvHeads, headDim, slidingWindow }: AttentionLayer): MeasuredSlot {
  const { numRows, pastLength, cacheFormat } = slot
  const numQueries = numRows * (numHeads / numKvHeads)
  const kind = attendKindFor(numQueries, headDim, cacheFormat)
  const firstBlock = Math.floor(Math.max(0, pastLength + 1 - slidingWindow) / BLOCK)
  const numBlocks = Math.floor((pastLength + numRows - 1) / BLOCK) + 1 - firstBlock
  const workgroups = Math.ceil(numQueries / tileOf(kind)) * numColumnGroups(kind, headDim) * numKvHeads
  return { slot, kind, numBlocks, workgroups, numSums: numRows * numHeads * numBlocks }
}

/** Whether one dispatch can attend to both. */
function areAlike(a: MeasuredSlot, b: MeasuredSlot): boolean {
  return (
    a.kind.shape === b.kind.shape &&
    a.kind.cacheFormat === b.kind.cacheFormat &&
    a.slot.keys.heap === b.slot.keys.heap &&
    a.slot.values.heap === b.slot.values.heap
  )
}

function numSumsOf(group: readonly MeasuredSlot[]): number {
  return group.reduce((sum, { numSums }) => sum + numSums, 0)
}

function batchOf(group: readonly MeasuredSlot[], mostSums: number, { headDim }: AttentionLayer): AttendBatch {
  const { kind, slot: first } = group[0]!
  const rowWords = (headDim * cacheValueBytes(first.cacheFormat)) / 4
  const slots: BatchedSlot[] = []
  let [numRows, workgroups, work, numSums, mostBlocks] = [0, 0, 0, 0, 0]
  for (const { slot, ...of } of group) {
    const [keysRow, valuesRow] = [slot.keys.word / rowWords, slot.values.word / rowWords]
    const { firstRow, pastLength, capacity } = slot
    slots.push({ firstRow, numRows: slot.numRows, pastLength, capacity, keysRow, valuesRow, firstSum: numSums })
    numRows += slot.numRows
    workgroups += of.workgroups
    work += of.workgroups * of.numBlocks
    numSums += of.numSums
    mostBlocks = Math.max(mostBlocks, of.numBlocks)
  }
  const isSplit = mostBlocks > 1 && work < ENOUGH_WORKGROUPS * mostBlocks && numSums <= mostSums
  const { keys, values } = first
  return { kind, keys: keys.heap, values: values.heap, slots, numRows, workgroups, mostBlocks, numSums, isSplit }
}
