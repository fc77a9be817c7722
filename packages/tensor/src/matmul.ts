/**
 * Writes `out[T, N] = x[T, K] · weights[N, K]ᵀ`, row-major, each sum in double precision: the plain product all faster ones are tested against.
 *
 * Returns nothing and adds no bias; `out` must not overlap `x`.
 */
export function matmul(
  out: Float32Array,
  x: Float32Array,
  weights: Float32Array,
  numRows: number,
  outWidth: number,
  inWidth: number,
): void {
  for (let row = 0; row < numRows; row++) {
    for (let column = 0; column < outWidth; column++) {
      let sum = 0
      for (let i = 0; i < inWidth; i++) sum += x[row * inWidth + i]! * weights[column * inWidth + i]!
      out[row * outWidth + column] = sum
    }
  }
}
