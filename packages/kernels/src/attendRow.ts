import type { AttentionLayer, SlotRows } from "./Backend.ts"

/**
 * Causal attention of one query head over a slot's cache: softmax(scale · q·k) · v, in plain loops with double sums.
 *
 * @param position of the query; it sees itself and what lies before it, within the sliding window
 * @param scores scratch, at least `position + 1` long
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
  scores: Float64Array,
): void {
  const { headDim, scale, slidingWindow } = layer
  const keys = slot.keys.values
  const values = slot.values.values
  const base = kvHead * slot.capacity
  const first = Math.max(0, position - slidingWindow + 1)

  let largest = Number.NEGATIVE_INFINITY
  for (let p = first; p <= position; p++) {
    const key = (base + p) * headDim
    let score = 0
    for (let i = 0; i < headDim; i++) score += queries[queryOffset + i]! * keys[key + i]!
    scores[p] = score * scale
    largest = Math.max(largest, scores[p]!)
  }
  let sum = 0
  for (let p = first; p <= position; p++) sum += scores[p] = Math.exp(scores[p]! - largest)

  for (let i = 0; i < headDim; i++) {
    let value = 0
    for (let p = first; p <= position; p++) value += scores[p]! * values[(base + p) * headDim + i]!
    out[outOffset + i] = value / sum
  }
}
