import { quantizeActivationRow, rotateRow } from "@consilium/tensor"
import { type OpenMatrix, readF32Row, readIntegerRow } from "./openMatrix.ts"
import { isRotated } from "./SlabLayout.ts"

/** Buffers of one product, grown to the largest matrix seen. */
export interface MultiplyScratch {
  /** x as products in 8 bits see it. */
  rotated: Float32Array
  /** x in 8 bits. */
  quantized: Int8Array
  /** One weight row: integers in words of four, or f32. */
  words: Int32Array
  weights: Float32Array
}

/** Creates empty scratch. */
export function createMultiplyScratch(): MultiplyScratch {
  return {
    rotated: new Float32Array(),
    quantized: new Int8Array(),
    words: new Int32Array(),
    weights: new Float32Array(),
  }
}

/**
 * Writes `W · x (+ bias)` for one row: plain loops, exact integer sums for quantised weights, double sums for f32.
 *
 * `x` is quantised to 8 bits with one scale where W is quantised, and rotated before that where W is. A result is
 * `(sum · scale of the weight row) · scale of x`, then `+ bias`, each rounded to f32: every backend that sums exactly has these bits.
 */
export function multiplyRow(
  out: Float32Array,
  outOffset: number,
  x: Float32Array,
  xOffset: number,
  matrix: OpenMatrix,
  scratch: MultiplyScratch,
): void {
  const { format, numRows, paddedColumns } = matrix.layout
  if (scratch.quantized.length < paddedColumns) {
    scratch.rotated = new Float32Array(paddedColumns)
    scratch.quantized = new Int8Array(paddedColumns)
    scratch.words = new Int32Array(paddedColumns / 4)
    scratch.weights = new Float32Array(paddedColumns)
  }
  if (format === "f32") multiplyF32(out, outOffset, x, xOffset, matrix, scratch.weights)
  else multiplyIntegers(out, outOffset, x, xOffset, matrix, scratch)
  const { bias } = matrix
  if (bias.length > 0) for (let n = 0; n < numRows; n++) out[outOffset + n]! += bias[n]!
}

function multiplyF32(
  out: Float32Array,
  outOffset: number,
  x: Float32Array,
  xOffset: number,
  matrix: OpenMatrix,
  weights: Float32Array,
): void {
  const { numRows, numColumns } = matrix.layout
  for (let n = 0; n < numRows; n++) {
    readF32Row(weights, 0, matrix, n)
    let sum = 0
    for (let k = 0; k < numColumns; k++) sum += x[xOffset + k]! * weights[k]!
    out[outOffset + n] = sum
  }
}

function multiplyIntegers(
  out: Float32Array,
  outOffset: number,
  x: Float32Array,
  xOffset: number,
  matrix: OpenMatrix,
  { rotated, quantized, words }: MultiplyScratch,
): void {
  const { format, numRows, numColumns } = matrix.layout
  const integers = new Uint8Array(words.buffer)
  if (isRotated(format)) rotateRow(rotated, 0, x, xOffset, numColumns)
  const scale = isRotated(format)
    ? quantizeActivationRow(quantized, 0, rotated, 0, numColumns)
    : quantizeActivationRow(quantized, 0, x, xOffset, numColumns)
  for (let n = 0; n < numRows; n++) {
    readIntegerRow(words, matrix, n)
    let sum = 0
    for (let k = 0; k < numColumns; k++) sum = (sum + (integers[k]! - 128) * quantized[k]!) | 0
    out[outOffset + n] = Math.fround(Math.fround(sum) * matrix.scales[n]!) * scale
  }
}
