/** A token's time as a fixed part and one that grows with what it uses. */
export interface TokenTime {
  readonly fixedMs: number
  readonly msPerUnit: number
}

/**
 * Fits `ms = fixedMs + msPerUnit · size` to measurements by least squares.
 *
 * Why a tenth of the weights is not a tenth of the time: the fixed part stays.
 *
 * @param points `size` in whatever unit the slope is wanted per: billions of weights, gigabytes
 */
export function fitTokenTime(points: readonly { readonly size: number; readonly ms: number }[]): TokenTime {
  const mean = (of: (point: { readonly size: number; readonly ms: number }) => number): number =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length
  const meanSize = mean(({ size }) => size)
  const meanMs = mean(({ ms }) => ms)
  const covariance = mean(({ size, ms }) => (size - meanSize) * (ms - meanMs))
  const variance = mean(({ size }) => (size - meanSize) ** 2)
  if (!(variance > 0)) throw new Error(`expected measurements of at least two sizes, found ${points.length} of one`)
  const msPerUnit = covariance / variance
  return { fixedMs: meanMs - msPerUnit * meanSize, msPerUnit }
}
