/**
 * Writes `x / √(mean(x²) + epsilon) · weight` for the row of `weight.length` values at `offset`, which is the same in `out` and `x`.
 *
 * `out` may be `x`. The sum of squares is kept in double precision.
 *
 * @see Zhang & Sennrich, arXiv:1910.07467
 */
export function rmsNorm(
  out: Float32Array,
  x: Float32Array,
  offset: number,
  weight: Float32Array,
  epsilon: number,
): void {
  const width = weight.length
  let squares = 0
  for (let i = 0; i < width; i++) squares += x[offset + i]! * x[offset + i]!
  const factor = 1 / Math.sqrt(squares / width + epsilon)
  for (let i = 0; i < width; i++) out[offset + i] = x[offset + i]! * factor * weight[i]!
}
