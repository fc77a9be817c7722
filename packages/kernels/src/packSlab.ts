import {
  createInt4Blocks,
  dequantizeInt4Blocks,
  INT4_BLOCK,
  quantizeInt4Blocks,
  quantizeInt8Row,
} from "@consilium/tensor"
import type { MatrixLayout, SlabLayout } from "./SlabLayout.ts"

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
  packMatrix(out, layout.matrix, weights, bias)
}

/** Packs an expert into a zeroed slab. @throws RangeError as `packMatrixSlab` does */
export function packExpertSlab(
  out: Uint8Array,
  layout: Extract<SlabLayout, { kind: "expert" }>,
  tensors: ExpertTensors,
): void {
  const { gateProj, upProj, downProj } = layout
  if (gateProj !== undefined) packMatrix(out, gateProj, tensors.gateProj ?? new Float32Array(), tensors.gateBias)
  packMatrix(out, upProj, tensors.upProj, tensors.upBias)
  packMatrix(out, downProj, tensors.downProj, tensors.downBias)
}

function packMatrix(
  out: Uint8Array,
  matrix: MatrixLayout,
  weights: Float32Array,
  bias: Float32Array | undefined,
): void {
  const { numRows, numColumns } = matrix
  if (weights.length !== numRows * numColumns) {
    throw new RangeError(`expected ${numRows} × ${numColumns} weights, found ${weights.length}`)
  }
  if ((bias === undefined) !== (matrix.bias === undefined) || (bias !== undefined && bias.length !== numRows)) {
    throw new RangeError(
      `expected ${matrix.bias === undefined ? "no bias" : `a bias of ${numRows}`}, found ${bias?.length ?? "none"}`,
    )
  }
  if (bias !== undefined) f32At(out, matrix.bias!, numRows).set(bias)
  PACK[matrix.format](out, matrix, weights)
}

const PACK = { f32: packF32, int8: packInt8, int4: packInt4 } as const

function packF32(
  out: Uint8Array,
  { numRows, numColumns, paddedColumns, values }: MatrixLayout,
  weights: Float32Array,
): void {
  const packed = f32At(out, values, numRows * paddedColumns)
  for (let row = 0; row < numRows; row++) {
    packed.set(weights.subarray(row * numColumns, (row + 1) * numColumns), row * paddedColumns)
  }
}

/** Transposed in tiles of rows, so that neither side is walked in long strides. */
const TILE = 64

function packInt8(out: Uint8Array, matrix: MatrixLayout, weights: Float32Array): void {
  const { numRows, numColumns, paddedRows, values } = matrix
  const packed = new Int8Array(out.buffer, out.byteOffset + values, paddedRows * numColumns)
  const scales = f32At(out, matrix.scales!, paddedRows)
  const row = new Int8Array(numColumns)
  const tile = new Int8Array(TILE * numColumns)
  for (let first = 0; first < numRows; first += TILE) {
    const count = Math.min(TILE, numRows - first)
    for (let r = 0; r < count; r++) {
      const start = (first + r) * numColumns
      scales[first + r] = quantizeInt8Row(row, weights.subarray(start, start + numColumns))
      tile.set(row, r * numColumns)
    }
    for (let column = 0; column < numColumns; column++) {
      const to = column * paddedRows + first
      for (let r = 0; r < count; r++) packed[to + r] = tile[r * numColumns + column]!
    }
  }
}

function packInt4(out: Uint8Array, matrix: MatrixLayout, weights: Float32Array): void {
  const { numRows, numColumns, paddedColumns, values, scales, zeroPoints } = matrix
  const blocksPerRow = paddedColumns / INT4_BLOCK
  const blocks = createInt4Blocks(blocksPerRow)
  const row = new Float32Array(paddedColumns)
  const packedScales = f32At(out, scales!, numRows * blocksPerRow)
  for (let r = 0; r < numRows; r++) {
    row.set(weights.subarray(r * numColumns, (r + 1) * numColumns))
    quantizeInt4Blocks(blocks, row)
    out.set(blocks.values, values + (r * paddedColumns) / 2)
    packedScales.set(blocks.scales, r * blocksPerRow)
    out.set(blocks.zeroPoints, zeroPoints! + (r * blocksPerRow) / 2)
  }
}

/** Writes the matrix that a slab holds, dequantised, to `out` `[numRows, numColumns]`. */
export function unpackMatrix(out: Float32Array, slab: Uint8Array, matrix: MatrixLayout): void {
  const { numRows, numColumns, paddedRows, paddedColumns, values } = matrix
  if (matrix.format === "f32") {
    const packed = f32At(slab, values, paddedRows * paddedColumns)
    for (let row = 0; row < numRows; row++) {
      out.set(packed.subarray(row * paddedColumns, row * paddedColumns + numColumns), row * numColumns)
    }
  } else if (matrix.format === "int8") {
    const packed = new Int8Array(slab.buffer, slab.byteOffset + values, paddedRows * paddedColumns)
    const scales = f32At(slab, matrix.scales!, paddedRows)
    for (let row = 0; row < numRows; row++) {
      for (let column = 0; column < numColumns; column++) {
        out[row * numColumns + column] = packed[column * paddedRows + row]! * scales[row]!
      }
    }
  } else {
    const blocksPerRow = paddedColumns / INT4_BLOCK
    const blocks = {
      values: new Uint8Array(slab.buffer, slab.byteOffset + values, (paddedRows * paddedColumns) / 2),
      scales: f32At(slab, matrix.scales!, paddedRows * blocksPerRow),
      zeroPoints: new Uint8Array(slab.buffer, slab.byteOffset + matrix.zeroPoints!, (paddedRows * blocksPerRow) / 2),
    }
    const padded = new Float32Array(numRows * paddedColumns)
    dequantizeInt4Blocks(padded, blocks)
    for (let row = 0; row < numRows; row++) {
      out.set(padded.subarray(row * paddedColumns, row * paddedColumns + numColumns), row * numColumns)
    }
  }
}

/** A view of f32 values inside a slab's bytes. */
export function f32At(slab: Uint8Array, offset: number, length: number): Float32Array {
  return new Float32Array(slab.buffer, slab.byteOffset + offset, length)
}
