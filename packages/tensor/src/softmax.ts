/**
 * Softmax of the first `length` values, in place where `out` is `values`.
 *
 * The largest value is subtracted first, so nothing overflows; `-Infinity` gets weight 0.
 */
export function softmax(out: Float32Array, values: Float32Array, length = values.length): void {
  let largest = -Infinity
  for (let i = 0; i < length; i++) if (values[i]! > largest) largest = values[i]!
  let sum = 0
  for (let i = 0; i < length; i++) sum += out[i] = Math.exp(values[i]! - largest)
  const factor = 1 / sum
  for (let i = 0; i < length; i++) out[i] = out[i]! * factor
}
