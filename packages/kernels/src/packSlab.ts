import { createInt4Quantizer, createInt4Row, quantizeInt8Row } from "@consilium/tensor"
import { type OpenMatrix, openMatrix } from "./openMatrix.ts"
import { GROUP_ROWS, type MatrixLayout, PIECE_BYTES, type SlabLayout } from "./SlabLayout.ts"

/** An expert's projections, row-major `[out, in]`, and their biases where the layout has room for them. */
export interface ExpertTensors {
  readonly gateProj?: Float32Array
  readonly upProj: Float32Array
  readonly downProj: Float32Array
  readonly gateBias?: Float32Array
  readonly upBias?: Float32Array
  readonly downBias?: Float32Array
}

/**
 * Packs a matrix `[numRows, numColumns]` into a zeroed slab.
 *
 * @param out at least `layout.bytes`, zeroed
 * @throws RangeError on a size that is not the layout's, or a weight that is not finite
 */
export function packMatrixSlab(
  out: Uint8Array,
  layout: Extract<SlabLayout, { kind: "matrix" }>,
  weights: Float32Array,
  bias?: Float32Array,
): void {
  packMatrix(openMatrix(out, layout.matrix), weights, bias)
}

/** Packs an expert into a zeroed slab. @throws RangeError as `packMatrixSlab` does */
export function packExpertSlab(
  out: Uint8Array,
  layout: Extract<SlabLayout, { kind: "expert" }>,
  tensors: ExpertTensors,
): void {
  const { gateProj, upProj, downProj } = layout
  if (gateProj !== undefined) {
    packMatrix(openMatrix(out, gateProj), tensors.gateProj ?? new Float32Array(), tensors.gateBias)
  }
  packMatrix(openMatrix(out, upProj), tensors.upProj, tensors.upBias)
  const inputScales = layout.format === "int4" ? neuronScales(upProj, tensors) : undefined
  packMatrix(openMatrix(out, downProj), tensors.downProj, tensors.downBias, inputScales)
}

/**
 * Estimates how large an expert's neurons become, `[intermediateSize]`: by the sizes of the rows that make them.
 *
 * Models tend to have a few neurons far larger than the rest ("massive activations", arXiv:2402.17762): errors in their columns of downProj
 * cost more than all others together. This finds them without any data.
 */
function neuronScales({ numRows, numColumns }: MatrixLayout, { gateProj, upProj }: ExpertTensors): Float32Array {
  const size = (weights: Float32Array, row: number): number => {
    let squares = 0
    for (let i = row * numColumns; i < (row + 1) * numColumns; i++) squares += weights[i]! * weights[i]!
    return Math.sqrt(squares)
  }
  return Float32Array.from({ length: numRows }, (_, row) => size(upProj, row) * (gateProj ? size(gateProj, row) : 1))
}

function packMatrix(matrix: OpenMatrix, weights: Float32Array, bias?: Float32Array, inputScales?: Float32Array): void {
  const { format, numRows, numColumns, bias: biasOffset } = matrix.layout
  if (weights.length !== numRows * numColumns) {
    throw new RangeError(`expected ${numRows} × ${numColumns} weights, found ${weights.length}`)
  }
  if ((bias === undefined) !== (biasOffset === undefined) || (bias !== undefined && bias.length !== numRows)) {
    throw new RangeError(
      `expected ${biasOffset === undefined ? "no bias" : `a bias of ${numRows}`}, found ${bias?.length ?? "none"}`,
    )
  }
  if (bias !== undefined) matrix.bias.set(bias)
  PACK[format](matrix, weights, inputScales)
}

const PACK = { f32: packF32, int8: packInt8, int4: packInt4 } as const

function packF32(matrix: OpenMatrix, weights: Float32Array): void {
  const { numRows, numColumns, groupStride } = matrix.layout
  for (let row = 0; row < numRows; row++) {
    const to = (Math.floor(row / GROUP_ROWS) * groupStride) / 4 + (row % GROUP_ROWS)
    for (let k = 0; k < numColumns; k++) matrix.f32[to + k * GROUP_ROWS] = weights[row * numColumns + k]!
  }
}

/** Turns int8 to u8 around 128, four at a time. */
const AROUND_128 = 0x80808080 | 0

function packInt8({ layout, words, scales }: OpenMatrix, weights: Float32Array): void {
  const { numRows, numColumns, paddedRows, paddedColumns, groupStride } = layout
  const row = new Int32Array(paddedColumns / 4)
  const quantized = new Int8Array(row.buffer)
  const rotated = new Float32Array(paddedColumns)
  for (let r = 0; r < paddedRows; r++) {
    const own = weights.subarray(r * numColumns, (r + 1) * numColumns)
    if (r < numRows) scales[r] = quantizeInt8Row(quantized, own, rotated)
    else row.fill(0)
    const to = (Math.floor(r / GROUP_ROWS) * groupStride) / 4 + (r % GROUP_ROWS)
    for (let piece = 0; piece < row.length; piece++) words[to + piece * GROUP_ROWS] = row[piece]! ^ AROUND_128
  }
}

function packInt4(
  { layout, words, bytes, scales }: OpenMatrix,
  weights: Float32Array,
  inputScales: Float32Array | undefined,
): void {
  const { numRows, numColumns, paddedRows, paddedColumns, groupStride } = layout
  const { row, quantize } = createInt4Quantizer(paddedColumns, inputScales)
  const padding = createInt4Row(paddedColumns)
  for (let r = 0; r < paddedRows; r++) {
    if (r < numRows) scales[r] = quantize(weights.subarray(r * numColumns, (r + 1) * numColumns))
    const { values, multipliers, offsets } = r < numRows ? row : padding
    const group = Math.floor(r / GROUP_ROWS) * groupStride
    const lane = r % GROUP_ROWS
    // Four nibbles to a word, each in a byte of its own.
    const spread = new Int32Array(values.buffer, values.byteOffset, paddedColumns / 4)
    for (let piece = 0; piece < spread.length / 2; piece++) {
      words[group / 4 + piece * GROUP_ROWS + lane] = spread[2 * piece]! | (spread[2 * piece + 1]! << 4)
    }
    const parameters = group + (paddedColumns * GROUP_ROWS) / 2 + lane
    for (let pair = 0; pair < multipliers.length / 2; pair++) {
      const piece = parameters + pair * PIECE_BYTES
      bytes[piece] = multipliers[2 * pair]! | (multipliers[2 * pair + 1]! << 4)
      bytes[piece + GROUP_ROWS] = offsets[2 * pair]!
      bytes[piece + 2 * GROUP_ROWS] = offsets[2 * pair + 1]!
    }
  }
}
