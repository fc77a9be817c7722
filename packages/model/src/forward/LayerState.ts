import {
  type AttentionLayer,
  type Backend,
  type CacheFormat,
  type CacheRows,
  cacheValueBytes,
  copyCacheRows,
  fitsCache,
  type Format,
  type SlotRows,
} from "@consilium/kernels"
import type { AttentionConfig } from "../ModelConfig.ts"
import type { PreparedModel } from "../prepared/PreparedModel.ts"
import type { StepBatch } from "./StepBatch.ts"

/**
 * What a layer remembers of each slot's sequence, in the arena.
 *
 * One layer kind, one implementation; attention keeps keys and values. Positions past a slot's length hold stale numbers and are never read.
 */
export interface LayerState {
  /** Describes a batch's rows with their state, for `Backend.attend`. The array is reused by the next call. */
  slotRows(batch: StepBatch): readonly SlotRows[]
  /** Copies the first `numPositions` of one slot to another. */
  copyPrefix(fromSlot: number, toSlot: number, numPositions: number): void
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Chooses what a layer's keys and values are kept in: 16 bits where weights are rounded anyway, and attention reads them; else f32. */
export function chooseCacheFormat(
  { headDim }: Pick<AttentionConfig, "headDim">,
  format: Format,
  { cacheFormats }: Pick<Backend, "cacheFormats">,
): CacheFormat {
  if (format === "f32") return "f32"
  return cacheFormats.find((cacheFormat) => fitsCache(cacheFormat, headDim)) ?? "f32"
}

/** Bytes of keys and values that one position takes in all layers. */
export function stateBytesPerPosition(
  { config, format }: Pick<PreparedModel, "config" | "format">,
  backend: Pick<Backend, "cacheFormats">,
): number {
  return config.layers.reduce((sum, { attention }) => {
    const valueBytes = cacheValueBytes(chooseCacheFormat(attention, format, backend))
    return sum + 2 * attention.numKvHeads * attention.headDim * valueBytes
  }, 0)
}

/** Allocates keys and values `[numKvHeads, capacity, headDim]` for every slot. Pages are touched as positions fill. */
export function createKvState(
  backend: Backend,
  attention: Pick<AttentionConfig, "numKvHeads" | "headDim">,
  { numSlots, capacity, cacheFormat }: { numSlots: number; capacity: number; cacheFormat: CacheFormat },
): LayerState {
  const { numKvHeads, headDim } = attention
  const allocate = (): CacheRows => backend.arena.cacheRows(cacheFormat, numKvHeads * capacity, headDim)
  const all: Mutable<SlotRows>[] = Array.from({ length: numSlots }, () => ({
    firstRow: 0,
    numRows: 0,
    pastLength: 0,
    capacity,
    keys: allocate(),
    values: allocate(),
  }))
  const active: SlotRows[] = []

  const copy = (to: CacheRows, from: CacheRows, numPositions: number): void => {
    for (let head = 0; head < numKvHeads; head++) {
      const firstRow = head * capacity
      ;(backend.copyRows ?? copyCacheRows)(to, firstRow, from, firstRow, numPositions)
    }
  }

  return {
    slotRows(batch) {
      active.length = 0
      for (let s = 0; s < batch.slots.length; s++) {
        const { slotId, firstRow, numRows, pastLength } = batch.slots[s]!
        const slot = all[slotId]
        if (slot === undefined) throw new Error(`slot ${slotId} is none of the ${numSlots}`)
        if (pastLength + numRows > capacity) {
          throw new Error(`slot ${slotId}: ${pastLength} + ${numRows} positions exceed its capacity of ${capacity}`)
        }
        slot.firstRow = firstRow
        slot.numRows = numRows
        slot.pastLength = pastLength
        active.push(slot)
      }
      return active
    },
    copyPrefix(fromSlot, toSlot, numPositions) {
      const from = all[fromSlot]!
      const to = all[toSlot]!
      copy(to.keys, from.keys, numPositions)
      copy(to.values, from.values, numPositions)
    },
  }
}

/** What `Backend.attend` needs to know of a layer, apart from its rope table. */
export function createAttentionLayer(
  config: AttentionConfig,
  norms: {
    readonly qNorm: Float32Array | undefined
    readonly kNorm: Float32Array | undefined
    readonly epsilon: number
  },
  rope: AttentionLayer["rope"],
): AttentionLayer {
  const { numHeads, numKvHeads, headDim, slidingWindow, qkNorm } = config
  const hasNorm = qkNorm !== "none"
  if (hasNorm && (norms.qNorm === undefined || norms.kNorm === undefined))
    throw new Error("q and k norm weights are missing")
  return {
    numHeads,
    numKvHeads,
    headDim,
    scale: 1 / Math.sqrt(headDim),
    rope,
    slidingWindow,
    qkNorm: hasNorm ? { over: qkNorm, q: norms.qNorm!, k: norms.kNorm!, epsilon: norms.epsilon } : undefined,
  }
}
