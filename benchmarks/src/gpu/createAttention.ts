import {
  type AttentionLayer,
  type Backend,
  type CacheFormat,
  type CacheRows,
  cacheValueBytes,
  type SlotRows,
} from "@consilium/kernels"
import { f32ToBf16, noise } from "@consilium/tensor"
import type { GpuSizes } from "./GpuSizes.ts"

/** What an attention is asked for. */
export interface AttentionWork {
  readonly cacheFormat: CacheFormat
  /** Sequences of one call, each with so many rows. */
  readonly numSlots: number
  readonly numRowsEach: number
  readonly pastLength: number
  /** Sequences that there are: calls take them in turns. */
  readonly numCaches: number
}

/** Attention over the same rows, again and again. */
export interface Attention {
  /** Takes the next sequences each time. */
  readonly run: () => void
  /** `[numSlots * numRowsEach, numHeads * headDim]` of the last run. */
  readonly output: Float32Array
}

/** Creates the attention of Qwen3's kind: norms of q and k, rope, keys and values appended, all positions before a row's own seen. */
export function createAttention(backend: Backend, sizes: GpuSizes, work: AttentionWork): Attention {
  const { arena } = backend
  const { numHeads, numKvHeads, headDim } = sizes
  const { cacheFormat, numSlots, numRowsEach, pastLength, numCaches } = work
  const capacity = pastLength + numRowsEach
  const numRows = numSlots * numRowsEach
  const createCache = (seed: number): CacheRows => {
    const rows = arena.cacheRows(cacheFormat, numKvHeads * capacity, headDim)
    fillCache(rows, seed)
    return rows
  }
  const caches = Array.from({ length: numCaches }, (_, c) => ({
    keys: createCache(2 * c),
    values: createCache(2 * c + 1),
  }))
  const qkv = arena.rows(numRows, (numHeads + 2 * numKvHeads) * headDim)
  const out = arena.rows(numRows, numHeads * headDim)
  qkv.values.set(noise(qkv.values.length, 5, 1))
  const layer = planLayer(sizes, capacity)
  let next = 0
  const run = (): void => {
    const slots: SlotRows[] = Array.from({ length: numSlots }, (_, s) => {
      const cache = caches[(next + s) % numCaches]!
      return { ...cache, firstRow: s * numRowsEach, numRows: numRowsEach, pastLength, capacity }
    })
    next = (next + numSlots) % numCaches
    backend.attend(out, qkv, slots, layer)
  }
  return { run, output: out.values }
}

/** Returns the operations of a call, and the bytes of keys and values that it reads once. */
export function countAttention(
  { numHeads, numKvHeads, headDim }: GpuSizes,
  { cacheFormat, numSlots, numRowsEach, pastLength }: AttentionWork,
): { readonly ops: number; readonly bytes: number } {
  const numSeen = numRowsEach * pastLength + (numRowsEach * (numRowsEach + 1)) / 2
  const numPositions = pastLength + numRowsEach
  return {
    // A product with the key and one with the value, of multiply-adds.
    ops: numSlots * numSeen * numHeads * headDim * 4,
    bytes: numSlots * numPositions * numKvHeads * headDim * 2 * cacheValueBytes(cacheFormat),
  }
}

/** Any numbers do, but the same ones for every backend. */
function fillCache(rows: CacheRows, seed: number): void {
  if (!("words" in rows)) {
    rows.values.set(noise(rows.values.length, seed, 1))
    return
  }
  const { buffer, byteOffset, length } = rows.words
  const halves = new Uint16Array(buffer, byteOffset, length * 2)
  f32ToBf16(halves, noise(length * 2, seed, 1))
}

const ROPE_THETA = 1_000_000

function planLayer({ numHeads, numKvHeads, headDim }: GpuSizes, capacity: number): AttentionLayer {
  const numPairs = headDim / 2
  const angles = Float32Array.from(
    { length: capacity * numPairs },
    (_, i) => Math.floor(i / numPairs) / ROPE_THETA ** ((i % numPairs) / numPairs),
  )
  return {
    numHeads,
    numKvHeads,
    headDim,
    slidingWindow: Number.POSITIVE_INFINITY,
    scale: 1 / Math.sqrt(headDim),
    rope: { cos: angles.map(Math.cos), sin: angles.map(Math.sin), rotaryDim: headDim, isInterleaved: false },
    qkNorm: { over: "head", epsilon: 1e-6, q: noise(headDim, 11, 1), k: noise(headDim, 12, 1) },
  }
}
