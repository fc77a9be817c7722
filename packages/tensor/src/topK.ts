/**
 * Writes the ids of the `k` largest of `values[0 .. length)` to `ids[idsOffset ..]`, best first, and returns how many there were.
 *
 * Ties go to the lower id. `-Infinity` and NaN are never chosen: ids past the returned count are -1. Allocates nothing.
 */
export function topK(
  ids: Int32Array,
  idsOffset: number,
  values: Float32Array | Float64Array,
  length: number,
  k: number,
): number {
  let count = 0
  let floor = -Infinity
  for (let id = 0; id < length; id++) {
    const value = values[id]!
    if (!(value > floor)) continue
    let place = idsOffset + (count < k ? count++ : k - 1)
    for (; place > idsOffset && values[ids[place - 1]!]! < value; place--) ids[place] = ids[place - 1]!
    ids[place] = id
    if (count === k) floor = values[ids[idsOffset + k - 1]!]!
  }
  ids.fill(-1, idsOffset + count, idsOffset + k)
  return count
}
