import type { SamplingScratch } from "./SamplingScratch.ts"

/** Keeps the ids of the `k` best scores, and what ties with the last of them; returns how many. Linear in the vocabulary on average. */
export function keepTopK({ scores, ids }: SamplingScratch, k: number): number {
  const threshold = kthLargest(scores, ids, k)
  let kept = 0
  for (let id = 0; id < scores.length; id++) if (scores[id]! >= threshold) ids[kept++] = id
  return kept
}

/**
 * Keeps the smallest set of best weights whose share reaches `topP`, the one that crosses included; returns how many, and their sum.
 *
 * Sorts only weights near the best one, and looks further only where these do not suffice.
 */
export function keepTopP(
  { scores, ids }: SamplingScratch,
  count: number,
  sum: number,
  topP: number,
): { count: number; sum: number } {
  const target = topP * sum
  for (let floor = 1e-2; ; floor = floor < 1e-12 ? 0 : floor * 1e-3) {
    let candidates = 0
    let mass = 0
    for (let i = 0; i < count; i++) {
      const id = ids[i]!
      if (scores[id]! < floor) continue
      // Candidates move to the front; whoever stood there moves back.
      ids[i] = ids[candidates]!
      ids[candidates++] = id
      mass += scores[id]!
    }
    if (mass < target && floor > 0) continue
    const sorted = ids.subarray(0, candidates).sort((a, b) => scores[b]! - scores[a]! || a - b)
    let kept = 0
    let reached = 0
    while (kept < sorted.length && (reached < target || kept === 0)) reached += scores[sorted[kept++]!]!
    return { count: kept, sum: reached }
  }
}

/** Hoare's selection over a copy of the ids' order. */
function kthLargest(scores: Float64Array, ids: Int32Array, k: number): number {
  let low = 0
  let high = ids.length - 1
  while (low < high) {
    const pivot = scores[ids[(low + high) >> 1]!]!
    let i = low
    let j = high
    while (i <= j) {
      while (scores[ids[i]!]! > pivot) i++
      while (scores[ids[j]!]! < pivot) j--
      if (i > j) break
      const swap = ids[i]!
      ids[i++] = ids[j]!
      ids[j--] = swap
    }
    if (k - 1 <= j) high = j
    else if (k - 1 >= i) low = i
    else break
  }
  return scores[ids[k - 1]!]!
}
