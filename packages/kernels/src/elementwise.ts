import { applyRope, rmsNorm } from "@consilium/tensor"
import type { CacheRows } from "./Arena.ts"
import type { AttentionLayer, SlotRows } from "./Backend.ts"
import { packPairs, pairDistance } from "./cacheFormat.ts"

/** RMS norm of the first `numRows` rows of `weight.length` values; `out` may be `x`. */
export function normRows(
  out: Float32Array,
  x: Float32Array,
  numRows: number,
  weight: Float32Array,
  epsilon: number,
): void {
  for (let row = 0; row < numRows; row++) rmsNorm(out, x, row * weight.length, weight, epsilon)
}

/** `out[t] += factors[t] * x[t]` for rows of `width`; factors are 1 where there are none. */
export function addScaledRows(
  out: Float32Array,
  x: Float32Array,
  numRows: number,
  width: number,
  factors?: Float32Array,
): void {
  for (let row = 0; row < numRows; row++) {
    const factor = factors === undefined ? 1 : factors[row]!
    const end = (row + 1) * width
    for (let i = row * width; i < end; i++) out[i] = out[i]! + factor * x[i]!
  }
}

/**
 * Norms q and k where the layer does, and rotates them to their positions, in place.
 *
 * @param qkv `[T, (numHeads + 2 * numKvHeads) * headDim]`: q, then k, then v
 */
export function normAndRotate(qkv: Float32Array, slots: readonly SlotRows[], layer: AttentionLayer): void {
  const { numHeads, numKvHeads, headDim, rope, qkNorm } = layer
  const width = (numHeads + 2 * numKvHeads) * headDim
  const keyOffset = numHeads * headDim
  for (let s = 0; s < slots.length; s++) {
    const { firstRow, numRows, pastLength } = slots[s]!
    for (let r = 0; r < numRows; r++) {
      const row = (firstRow + r) * width
      if (qkNorm !== undefined) {
        normHeads(qkv, row, keyOffset, qkNorm.q, qkNorm.epsilon)
        normHeads(qkv, row + keyOffset, numKvHeads * headDim, qkNorm.k, qkNorm.epsilon)
      }
      if (rope === undefined) continue
      for (let head = 0; head < numHeads + numKvHeads; head++)
        applyRope(qkv, row + head * headDim, rope, pastLength + r)
    }
  }
}

/** Copies the rows' k and v to their positions in the slots' caches. */
export function appendKeysAndValues(qkv: Float32Array, slots: readonly SlotRows[], layer: AttentionLayer): void {
  const { numHeads, numKvHeads, headDim } = layer
  const width = (numHeads + 2 * numKvHeads) * headDim
  const keyOffset = numHeads * headDim
  const valueOffset = keyOffset + numKvHeads * headDim
  for (let s = 0; s < slots.length; s++) {
    const { firstRow, numRows, pastLength, capacity, keys, values } = slots[s]!
    for (let r = 0; r < numRows; r++) {
      for (let head = 0; head < numKvHeads; head++) {
        const from = (firstRow + r) * width + head * headDim
        const to = head * capacity + pastLength + r
        appendRow(keys, to, qkv, from + keyOffset)
        appendRow(values, to, qkv, from + valueOffset)
      }
    }
  }
}

/** Writes a head's values from `values[from]` on to row `to` of a cache. */
function appendRow(cache: CacheRows, to: number, values: Float32Array, from: number): void {
  const { width } = cache
  if ("words" in cache)
    return packPairs(cache.words, (to * width) / 2, values, from, width, pairDistance(cache.format)!)
  for (let i = 0; i < width; i++) cache.values[to * width + i] = values[from + i]!
}

/** Norms consecutive runs of `weight.length` values: each head, or the whole projection. */
function normHeads(values: Float32Array, offset: number, length: number, weight: Float32Array, epsilon: number): void {
  for (let at = offset; at < offset + length; at += weight.length) rmsNorm(values, values, at, weight, epsilon)
}
