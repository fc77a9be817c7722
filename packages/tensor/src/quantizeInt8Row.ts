import { ROTATED_TWICE, rotateRow } from "./rotateColumns.ts"
import { roundHalfEven } from "./roundHalfEven.ts"

/** Sums of 16 smaller ones are finite in f32. */
const LARGEST_WEIGHT = 2 ** 124

/**
 * Quantises one weight row to `scale · q` with `q` in -127..127, of which `rotateColumns` makes the weights, and returns the scale (f32).
 *
 * Nearest, half to even. A row of zeros, and one too small for an f32 scale, has scale 0. The product of a row of weights and one of activations is that of
 * `scale · q` and the rotated activations.
 *
 * @param out     as many values as there are weights, up to a multiple of 64; `rotated` too, which is overwritten
 * @throws RangeError on a weight that is not finite, or so large that a sum of 16 is not, naming its column
 */
export function quantizeInt8Row(out: Int8Array, weights: Float32Array, rotated: Float32Array): number {
  rotateRow(rotated, 0, weights, 0, weights.length)
  const scale = quantizeRow(out, 0, rotated, 0, rotated.length) / ROTATED_TWICE
  if (Number.isFinite(scale)) return scale
  const column = weights.findIndex((weight) => !(Math.abs(weight) < LARGEST_WEIGHT))
  throw new RangeError(
    `expected weights below ${LARGEST_WEIGHT}, found ${weights[column]} in column ${column} of ${weights.length}: the checkpoint is damaged`,
  )
}

/**
 * Quantises the activations `[offset, offset + length)` to int8 at `outOffset`, and returns their one scale, max|x| / 127 (f32).
 *
 * Nearest, half to even (as `cvtps2dq` and ONNX round). A row that holds NaN or infinity has scale NaN and zeros: every product with it is NaN,
 * so the fault shows in the output instead of vanishing.
 */
export function quantizeActivationRow(
  out: Int8Array,
  outOffset: number,
  x: Float32Array,
  offset: number,
  length: number,
): number {
  const scale = quantizeRow(out, outOffset, x, offset, length)
  return Number.isFinite(scale) ? scale : Number.NaN
}

/** Writes `scale · q` of one row; a row of weights is then still rotated. `out` and `quantized` start at their offsets. */
export function dequantizeInt8Row(
  out: Float32Array,
  outOffset: number,
  quantized: Int8Array,
  offset: number,
  length: number,
  scale: number,
): void {
  for (let i = 0; i < length; i++) out[outOffset + i] = quantized[offset + i]! * scale
}

function quantizeRow(out: Int8Array, outOffset: number, x: Float32Array, offset: number, length: number): number {
  let largest = 0
  // Math.max passes NaN on, a comparison would lose it.
  for (let i = 0; i < length; i++) largest = Math.max(largest, Math.abs(x[offset + i]!))
  const scale = Math.fround(largest / 127)
  if (scale === 0 || !Number.isFinite(scale)) {
    out.fill(0, outOffset, outOffset + length)
    return scale
  }
  const inverse = 127 / largest
  for (let i = 0; i < length; i++) out[outOffset + i] = roundHalfEven(x[offset + i]! * inverse)
  return scale
}
