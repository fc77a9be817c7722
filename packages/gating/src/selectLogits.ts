/**
 * Writes the ids of the `k` largest of `logits[row .. row + length)` that are above `floor` to `ids[first ..]`, best first, and returns how many there
 * were; -1 on NaN or +Infinity, with `ids` unfinished.
 *
 * What `topK` and a check of the row do, in one pass: most logits are met by one comparison with the least of the best so far. Ties go to the lower id;
 * -Infinity is never chosen; ids past the returned count are -1. Allocates nothing.
 *
 * @param best room for `k` values: the best so far, in order
 */
export function selectLogits(
  ids: Int32Array,
  first: number,
  logits: Float32Array,
  row: number,
  length: number,
  k: number,
  floor: number,
  best: Float64Array,
): number {
  let count = 0
  let least = floor
  for (let id = 0; id < length; id++) {
    const logit = logits[row + id]!
    if (logit <= least) continue
    if (!(logit < Number.POSITIVE_INFINITY)) return -1
    let place = count < k ? count++ : k - 1
    for (; place > 0 && best[place - 1]! < logit; place--) {
      best[place] = best[place - 1]!
      ids[first + place] = ids[first + place - 1]!
    }
    best[place] = logit
    ids[first + place] = id
    if (count === k) least = best[k - 1]!
  }
  for (let place = count; place < k; place++) ids[first + place] = -1
  return count
}
