import { INT4_BLOCK } from "@consilium/tensor"
import { f32At } from "./packSlab.ts"
import type { MatrixLayout } from "./SlabLayout.ts"

/** Views of one packed matrix, made once when its slab is opened. Views that a format has no use for are empty. */
export interface OpenMatrix {
  readonly layout: MatrixLayout
  /** f32 values `[paddedRows, paddedColumns]`. */
  readonly f32: Float32Array
  /** int8 values `[paddedColumns, paddedRows]`. */
  readonly int8: Int8Array
  /** int4 values, two to a byte, `[paddedRows, paddedColumns / 2]`. */
  readonly nibbles: Uint8Array
  readonly zeroPoints: Uint8Array
  readonly scales: Float32Array
  /** `[paddedRows]`, empty where there is none. */
  readonly bias: Float32Array
}

/** Makes the views of a matrix inside its slab's bytes. */
export function openMatrix(slab: Uint8Array, layout: MatrixLayout): OpenMatrix {
  const { format, paddedRows, paddedColumns, values, scales, zeroPoints, bias } = layout
  const elements = paddedRows * paddedColumns
  const at = (offset: number, length: number): Uint8Array => slab.subarray(offset, offset + length)
  const int8 = format === "int8" ? elements : 0
  return {
    layout,
    f32: format === "f32" ? f32At(slab, values, elements) : new Float32Array(),
    int8: new Int8Array(slab.buffer, slab.byteOffset + values, int8),
    nibbles: format === "int4" ? at(values, elements / 2) : new Uint8Array(),
    zeroPoints: format === "int4" ? at(zeroPoints!, elements / INT4_BLOCK / 2) : new Uint8Array(),
    scales:
      scales === undefined
        ? new Float32Array()
        : f32At(slab, scales, format === "int8" ? paddedRows : elements / INT4_BLOCK),
    bias: bias === undefined ? new Float32Array() : f32At(slab, bias, paddedRows),
  }
}

/** Writes row `row` of a matrix, dequantised, to `out[outOffset ..]`. */
function readMatrixRow(out: Float32Array, outOffset: number, matrix: OpenMatrix, row: number): void {
  const { layout, scales } = matrix
  const { format, numColumns, paddedRows, paddedColumns } = layout
  if (format === "f32") {
    for (let i = 0; i < numColumns; i++) out[outOffset + i] = matrix.f32[row * paddedColumns + i]!
  } else if (format === "int8") {
    for (let i = 0; i < numColumns; i++) out[outOffset + i] = matrix.int8[i * paddedRows + row]! * scales[row]!
  } else {
    for (let i = 0; i < numColumns; i++) {
      const at = row * paddedColumns + i
      const block = Math.floor(at / INT4_BLOCK)
      const value = nibbleAt(matrix.nibbles, at) - nibbleAt(matrix.zeroPoints, block)
      out[outOffset + i] = value * scales[block]!
    }
  }
}

/** Returns value `index` of packed nibbles, the low one first. */
export function nibbleAt(packed: Uint8Array, index: number): number {
  return (packed[index >> 1]! >> ((index & 1) * 4)) & 15
}

/** Writes row `ids[i]` of a matrix, dequantised, to row `i` of `out`, `numIds` of them. @throws Error on an id that is not a row */
export function embedRows(out: Float32Array, ids: Int32Array, numIds: number, matrix: OpenMatrix): void {
  const { numRows, numColumns } = matrix.layout
  for (let i = 0; i < numIds; i++) {
    const id = ids[i]!
    if (id < 0 || id >= numRows) throw new Error(`embed: id ${id} is outside the ${numRows} rows`)
    readMatrixRow(out, i * numColumns, matrix, id)
  }
}
