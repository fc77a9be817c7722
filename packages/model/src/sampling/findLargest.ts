/** Values between two looks at the maximum: few enough to search again for its place. */
const BLOCK = 1024

/**
 * Returns the index of the largest value, ties to the lower one, in one pass that also checks them all.
 *
 * @throws Error on a value that is not finite: a fault upstream
 */
export function findLargest(values: Float32Array): number {
  let largest = Number.NEGATIVE_INFINITY
  let blockOfLargest = 0
  // A sum of finite numbers is finite; whatever else is among them shows in it.
  let sum = 0
  for (let start = 0; start < values.length; start += BLOCK) {
    const end = Math.min(start + BLOCK, values.length)
    const before = largest
    let i = start
    // Four at a time, and the sum as a tree: the loop is bound by the latency of its additions.
    for (; i + 3 < end; i += 4) {
      const a = values[i]!
      const b = values[i + 1]!
      const c = values[i + 2]!
      const d = values[i + 3]!
      sum += a + b + (c + d)
      if (a > largest) largest = a
      if (b > largest) largest = b
      if (c > largest) largest = c
      if (d > largest) largest = d
    }
    for (; i < end; i++) {
      sum += values[i]!
      if (values[i]! > largest) largest = values[i]!
    }
    if (largest > before) blockOfLargest = start
  }
  if (!Number.isFinite(sum)) throw notFinite(values)
  return values.indexOf(largest, blockOfLargest)
}

function notFinite(values: Float32Array): Error {
  const id = values.findIndex((value) => !Number.isFinite(value))
  return new Error(`logits are not finite: id ${id} has ${values[id]}`)
}
