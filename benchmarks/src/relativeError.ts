/** Returns the distance of `found` from `right` over the length of `right`; infinite where a value is not finite. */
export function relativeError(found: Float32Array, right: Float32Array): number {
  if (found.length !== right.length) throw new Error(`expected ${right.length} values, found ${found.length}`)
  let difference = 0
  let length = 0
  for (let i = 0; i < right.length; i++) {
    difference += (found[i]! - right[i]!) ** 2
    length += right[i]! ** 2
  }
  const error = Math.sqrt(difference / length)
  return Number.isFinite(error) ? error : Number.POSITIVE_INFINITY
}
