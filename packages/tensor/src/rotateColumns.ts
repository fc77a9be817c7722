/** Columns that are mixed lie so far apart: never two lanes of a vector, so that machine code adds whole vectors. */
export const MIXED_DISTANCE = 16
/** Columns of a large block, 16 × 16, and of a small one, 4 × 16. */
export const LARGE_BLOCK = 256
export const SMALL_BLOCK = 64
/** What a row is multiplied with when it is rotated twice. */
export const ROTATED_TWICE = 16

/**
 * Rotates a row in place. In each block of 256 columns, sixteen at a time that are 16 apart are multiplied by the Hadamard matrix of ones and minus ones; in
 * blocks of 64 behind them, four at a time, and by 2; the rest by 4 alone.
 *
 * A value that towers over the others is spread over those it is mixed with: one scale for all then costs the rest less. Rotating twice multiplies by 16.
 * Each stage of additions is rounded to f32, by growing distance, so that every backend has these bits.
 *
 * @see QuaRot, arXiv:2404.00456 §3
 */
export function rotateColumns(values: Float32Array, offset: number, width: number): void {
  const end = offset + width
  let at = offset
  for (; at + LARGE_BLOCK <= end; at += LARGE_BLOCK) {
    for (let small = at; small < at + LARGE_BLOCK; small += SMALL_BLOCK) mixFours(values, small, MIXED_DISTANCE)
    mixFours(values, at, SMALL_BLOCK)
  }
  for (; at + SMALL_BLOCK <= end; at += SMALL_BLOCK) {
    mixFours(values, at, MIXED_DISTANCE)
    for (let i = at; i < at + SMALL_BLOCK; i++) values[i]! *= 2
  }
  for (; at < end; at++) values[at]! *= 4
}

/** Two stages, of `distance` and of twice as much, on `4 · distance` values. */
function mixFours(values: Float32Array, first: number, distance: number): void {
  const { fround } = Math
  for (let i = first; i < first + distance; i++) {
    const a = values[i]!
    const b = values[i + distance]!
    const c = values[i + 2 * distance]!
    const d = values[i + 3 * distance]!
    values[i] = fround(a + b) + fround(c + d)
    values[i + distance] = fround(a - b) + fround(c - d)
    values[i + 2 * distance] = fround(a + b) - fround(c + d)
    values[i + 3 * distance] = fround(a - b) - fround(c - d)
  }
}

/** Writes a row of `x`, `width` values, to `out` from `outOffset` on, rotated, and zeros behind it up to a multiple of 64. */
export function rotateRow(out: Float32Array, outOffset: number, x: Float32Array, offset: number, width: number): void {
  for (let i = 0; i < width; i++) out[outOffset + i] = x[offset + i]!
  out.fill(0, outOffset + width, outOffset + Math.ceil(width / SMALL_BLOCK) * SMALL_BLOCK)
  rotateColumns(out, outOffset, width)
}
