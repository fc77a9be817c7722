import type { SamplingScratch } from "./SamplingScratch.ts"

/**
 * Keeps, of the first `count` ids, those of the `k` best scores and what ties with the last of them, in order of their ids; returns how many. Linear on average.
 */
export function keepTopK({ scores, ids }: SamplingScratch, count: number, k: number): number {
  if (k >= count) return count
  const threshold = kthLargest(scores, ids, count, k)
  let kept = 0
  for (let i = 0; i < count; i++) {
    const id = ids[i]!
    if (scores[id]! >= threshold) ids[kept++] = id
  }
  // The search has moved them about, one way or another by what they were kept from.
  ids.subarray(0, kept).sort()
  return kept
}

/** Keeps, of the first `count` ids, those with at least `minP` of the best one's weight; returns how many, and their sum. */
export function keepAtLeast(
  { scores, ids }: SamplingScratch,
  count: number,
  minP: number,
): { count: number; sum: number } {
  let largest = 0
  for (let i = 0; i < count; i++) largest = Math.max(largest, scores[ids[i]!]!)
  let kept = 0
  let sum = 0
  for (let i = 0; i < count; i++) {
    const id = ids[i]!
    if (scores[id]! < minP * largest) continue
    ids[kept++] = id
    sum += scores[id]!
  }
  return { count: kept, sum }
}

/**
 * Keeps the smallest set of best weights whose share reaches `topP`, the one that crosses included; returns how many, and their sum.
 *
 * Looks at weights near the best one first, and further only where these do not suffice; sorts nothing. Ties go to the lower id.
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
    const kept = countToReach(scores, ids, candidates, target)
    let reached = 0
    for (let i = 0; i < kept; i++) reached += scores[ids[i]!]!
    return { count: kept, sum: reached }
  }
}

/** Moves the best of the first `count` ids to the front, and returns how many reach `target`: Hoare's selection by mass instead of rank. */
function countToReach(scores: Float64Array, ids: Int32Array, count: number, target: number): number {
  const isBetter = (a: number, b: number): boolean => {
    const difference = scores[a]! - scores[b]!
    return difference > 0 || (difference === 0 && a < b)
  }
  let low = 0
  let high = count - 1
  /** Of those before `low`, all better than what follows. */
  let before = 0
  while (low < high) {
    const pivot = ids[(low + high) >> 1]!
    let i = low
    let j = high
    let mass = 0
    while (i <= j) {
      while (isBetter(ids[i]!, pivot)) mass += scores[ids[i++]!]!
      while (isBetter(pivot, ids[j]!)) j--
      if (i > j) break
      const swap = ids[i]!
      ids[i] = ids[j]!
      ids[j--] = swap
      mass += scores[ids[i++]!]!
    }
    // One may be left between the sides: the pivot.
    const left = i - j === 2 ? mass - scores[ids[j + 1]!]! : mass
    if (before + left >= target) high = j
    else if (before + mass >= target) return i
    else {
      before += mass
      low = i
    }
  }
  return Math.min(low + 1, count)
}

/** Hoare's selection; changes the order of the first `count` ids. */
function kthLargest(scores: Float64Array, ids: Int32Array, count: number, k: number): number {
  let low = 0
  let high = count - 1
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
