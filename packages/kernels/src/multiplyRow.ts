import { INT4_BLOCK, quantizeActivationRow } from "@consilium/tensor"
import { nibbleAt, type OpenMatrix } from "./openMatrix.ts"

/** Buffers of one product, grown to the largest matrix seen. */
export interface MultiplyScratch {
  quantized: Int8Array
  sums: Int32Array
}

/** Creates empty scratch. */
export function createMultiplyScratch(): MultiplyScratch {
  return { quantized: new Int8Array(), sums: new Int32Array() }
}

/**
 * Writes `W · x (+ bias)` for one row: plain loops, exact integer sums for quantised weights, double sums for f32.
 *
 * `x` is quantised to 8 bits with one scale where W is quantised.
 */
export function multiplyRow(
  out: Float32Array,
  outOffset: number,
  x: Float32Array,
  xOffset: number,
  matrix: OpenMatrix,
  scratch: MultiplyScratch,
): void {
  const { format, numRows, numColumns } = matrix.layout
  if (format === "f32") multiplyF32(out, outOffset, x, xOffset, matrix)
  else {
    const { paddedRows } = matrix.layout
    if (scratch.quantized.length < numColumns) scratch.quantized = new Int8Array(numColumns)
    if (scratch.sums.length < paddedRows) scratch.sums = new Int32Array(paddedRows)
    const scale = quantizeActivationRow(scratch.quantized, 0, x, xOffset, numColumns)
    if (format === "int8") multiplyInt8(out, outOffset, scale, matrix, scratch)
    else multiplyInt4(out, outOffset, scale, matrix, scratch.quantized)
  }
  const { bias } = matrix
  if (bias.length > 0) for (let n = 0; n < numRows; n++) out[outOffset + n]! += bias[n]!
}

function multiplyF32(
  out: Float32Array,
  outOffset: number,
  x: Float32Array,
  xOffset: number,
  { layout, f32 }: OpenMatrix,
): void {
  const { numRows, numColumns, paddedColumns } = layout
  for (let n = 0; n < numRows; n++) {
    const row = n * paddedColumns
    let sum = 0
    for (let k = 0; k < numColumns; k++) sum += x[xOffset + k]! * f32[row + k]!
    out[outOffset + n] = sum
  }
}

function multiplyInt8(
  out: Float32Array,
  outOffset: number,
  scale: number,
  matrix: OpenMatrix,
  scratch: MultiplyScratch,
): void {
  const { layout, int8, scales } = matrix
  const { numRows, numColumns, paddedRows } = layout
  const { quantized, sums } = scratch
  sums.fill(0, 0, numRows)
  for (let k = 0; k < numColumns; k++) {
    const q = quantized[k]!
    const column = k * paddedRows
    for (let n = 0; n < numRows; n++) sums[n] = (sums[n]! + q * int8[column + n]!) | 0
  }
  for (let n = 0; n < numRows; n++) out[outOffset + n] = sums[n]! * scales[n]! * scale
}

function multiplyInt4(
  out: Float32Array,
  outOffset: number,
  scale: number,
  matrix: OpenMatrix,
  quantized: Int8Array,
): void {
  const { layout, nibbles, zeroPoints, scales } = matrix
  const { numRows, numColumns, paddedColumns } = layout
  for (let n = 0; n < numRows; n++) {
    let total = 0
    for (let first = 0; first < numColumns; first += INT4_BLOCK) {
      const at = n * paddedColumns + first
      const block = at / INT4_BLOCK
      const zeroPoint = nibbleAt(zeroPoints, block)
      const last = Math.min(INT4_BLOCK, numColumns - first)
      let sum = 0
      for (let k = 0; k < last; k++) sum += (nibbleAt(nibbles, at + k) - zeroPoint) * quantized[first + k]!
      total += sum * scales[block]!
    }
    out[outOffset + n] = total * scale
  }
}
