import type { CacheRows } from "./Arena.ts"
import type { AttentionLayer, SlotRows } from "./Backend.ts"
import { pairDistance, unpackPairs } from "./cacheFormat.ts"

/** Buffers of one head's attention, grown to the longest cache seen. */
export interface AttendScratch {
  /** One for each position. */
  scores: Float64Array
  /** `[headDim]` */
  sums: Float64Array
  /** `[capacity, headDim]` each: what a cache in pairs holds. */
  keys: Float32Array
  values: Float32Array
}

export function createAttendScratch(): AttendScratch {
  const [keys, values] = [new Float32Array(), new Float32Array()]
  return { scores: new Float64Array(), sums: new Float64Array(), keys, values }
}

/**
 * Causal attention of one query head over a slot's cache: softmax(scale · q·k) · v, in plain loops with double sums.
 *
 * @param position of the query; it sees itself and what lies before it, within the sliding window
 * @see Vaswani et al., arXiv:1706.03762 §3.2.1; grouped queries: Ainslie et al., arXiv:2305.13245
 */
export function attendHead(
  out: Float32Array,
  outOffset: number,
  queries: Float32Array,
  queryOffset: number,
  position: number,
  kvHead: number,
  slot: SlotRows,
  layer: AttentionLayer,
  scratch: AttendScratch,
): void {
  if (scratch.scores.length < slot.capacity) scratch.scores = new Float64Array(slot.capacity)
  if (scratch.sums.length < layer.headDim) scratch.sums = new Float64Array(layer.headDim)
  const { scores, sums } = scratch
  const { headDim, scale, slidingWindow } = layer
  const first = Math.max(0, position - slidingWindow + 1)
  const numValues = slot.capacity * headDim
  if (scratch.keys.length < numValues && "words" in slot.keys) {
    scratch.keys = new Float32Array(numValues)
    scratch.values = new Float32Array(numValues)
  }
  const keys = headValues(scratch.keys, slot.keys, kvHead * slot.capacity, first, position + 1)
  const values = headValues(scratch.values, slot.values, kvHead * slot.capacity, first, position + 1)

  let largest = Number.NEGATIVE_INFINITY
  for (let p = first; p <= position; p++) {
    const key = p * headDim
    let score = 0
    for (let i = 0; i < headDim; i++) score += queries[queryOffset + i]! * keys[key + i]!
    scores[p] = score * scale
    largest = Math.max(largest, scores[p]!)
  }
  let total = 0
  for (let p = first; p <= position; p++) total += scores[p] = Math.exp(scores[p]! - largest)

  sums.fill(0, 0, headDim)
  for (let p = first; p <= position; p++) {
    const weight = scores[p]!
    const value = p * headDim
    for (let i = 0; i < headDim; i++) sums[i]! += weight * values[value + i]!
  }
  for (let i = 0; i < headDim; i++) out[outOffset + i] = sums[i]! / total
}

/** Returns a view of a head's rows, from its row `base` on; of a cache in pairs, those from `first` up to `end`, widened into `scratch`. */
function headValues(scratch: Float32Array, rows: CacheRows, base: number, first: number, end: number): Float32Array {
  const { width } = rows
  if (!("words" in rows)) return rows.values.subarray(base * width)
  const distance = pairDistance(rows.format)!
  for (let p = first; p < end; p++)
    unpackPairs(scratch, p * width, rows.words, ((base + p) * width) / 2, width, distance)
  return scratch
}
