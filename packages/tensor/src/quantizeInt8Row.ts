import { roundHalfEven } from "./roundHalfEven.ts"

/**
 * Quantises one weight row to `scale · q` with `q` in -127..127, and returns the scale, max|w| / 127 (f32).
 *
 * Nearest, half to even. A row of zeros, and one too small for an f32 scale, has scale 0.
 *
 * @throws RangeError on a NaN or infinite weight, naming its column
 */
export function quantizeInt8Row(out: Int8Array, weights: Float32Array): number {
  const scale = quantizeRow(out, 0, weights, 0, weights.length)
  if (Number.isFinite(scale)) return scale
  const column = weights.findIndex((weight) => !Number.isFinite(weight))
  throw new RangeError(
    `expected finite weights, found ${weights[column]} in column ${column} of ${weights.length}: the checkpoint is damaged`,
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

/** Writes `scale · q` of one row, the inverse of both. `out` and `quantized` start at their offsets. */
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
