import { rotateColumns } from "@consilium/tensor"
import { BLOCK_COLUMNS, GROUP_ROWS, groupBytes, isRotated, type MatrixLayout, PIECE_BYTES } from "./SlabLayout.ts"

/** Views of one packed matrix, made once when its slab is opened. */
export interface OpenMatrix {
  readonly layout: MatrixLayout
  /** From the first byte of the first group to the last of the last; where matrices take turns, the other's groups lie between. */
  readonly bytes: Uint8Array
  /** The same as 32-bit words. */
  readonly words: Int32Array
  /** The same as f32 values. */
  readonly f32: Float32Array
  /** `[paddedRows]`, empty in f32. */
  readonly scales: Float32Array
  /** `[paddedRows]`, empty where there is none. */
  readonly bias: Float32Array
}

/** Makes the views of a matrix inside its slab's bytes. */
export function openMatrix(slab: Uint8Array, layout: MatrixLayout): OpenMatrix {
  const { format, paddedRows, paddedColumns, values, groupStride, scales, bias } = layout
  const length = (paddedRows / GROUP_ROWS - 1) * groupStride + groupBytes(format, paddedColumns)
  const vector = (offset: number | undefined): Float32Array =>
    offset === undefined ? new Float32Array() : new Float32Array(slab.buffer, slab.byteOffset + offset, paddedRows)
  const start = slab.byteOffset + values
  return {
    layout,
    bytes: new Uint8Array(slab.buffer, start, length),
    words: new Int32Array(slab.buffer, start, length / 4),
    f32: new Float32Array(slab.buffer, start, length / 4),
    scales: vector(scales),
    bias: vector(bias),
  }
}

/** Writes row `row` of an f32 matrix, `numColumns` values, to `out[outOffset ..]`. */
export function readF32Row(out: Float32Array, outOffset: number, { layout, f32 }: OpenMatrix, row: number): void {
  const { numColumns, groupStride } = layout
  const from = (Math.floor(row / GROUP_ROWS) * groupStride) / 4 + (row % GROUP_ROWS)
  for (let k = 0; k < numColumns; k++) out[outOffset + k] = f32[from + k * GROUP_ROWS]!
}

/**
 * Writes row `row` of an int8 or int4 matrix as `u`, four columns to a word: `out` as bytes is `[paddedColumns]`, and w = scale · (u - 128), rotated in int8.
 *
 * @param out at least `paddedColumns / 4` words
 */
export function readIntegerRow(out: Int32Array, matrix: OpenMatrix, row: number): void {
  const { format, paddedColumns, groupStride } = matrix.layout
  const group = Math.floor(row / GROUP_ROWS) * groupStride
  const lane = row % GROUP_ROWS
  if (format === "int4") return readInt4Row(out, matrix, group, lane)
  const from = group / 4 + lane
  for (let piece = 0; piece < paddedColumns / 4; piece++) out[piece] = matrix.words[from + piece * GROUP_ROWS]!
}

/** Columns of 32 bits of nibbles. */
const INT4_PIECE = 8
const LOW_NIBBLES = 0x0f0f0f0f
const EACH_BYTE = 0x01010101

/** A block's four bytes at a time: q · m + c stays below 256, so that no byte carries into the next. */
function readInt4Row(out: Int32Array, { layout, words, bytes }: OpenMatrix, group: number, lane: number): void {
  const { paddedColumns } = layout
  const parameters = group + paddedColumns * (GROUP_ROWS / 2)
  for (let block = 0; block < paddedColumns / BLOCK_COLUMNS; block++) {
    const isSecond = block & 1
    const piece = parameters + (block >> 1) * PIECE_BYTES + lane
    const multiplier = (bytes[piece]! >> (4 * isSecond)) & 15
    const offset = Math.imul(bytes[piece + GROUP_ROWS * (1 + isSecond)]!, EACH_BYTE)
    const first = (block * BLOCK_COLUMNS) / INT4_PIECE
    for (let p = first; p < first + BLOCK_COLUMNS / INT4_PIECE; p++) {
      const nibbles = words[group / 4 + p * GROUP_ROWS + lane]!
      out[2 * p] = Math.imul(nibbles & LOW_NIBBLES, multiplier) + offset
      out[2 * p + 1] = Math.imul((nibbles >>> 4) & LOW_NIBBLES, multiplier) + offset
    }
  }
}

/** Writes row `row` of a matrix, dequantised, to `out[outOffset ..]`. */
export type RowReader = (out: Float32Array, outOffset: number, row: number) => void

/** Returns what reads rows of a matrix; it has memory of its own. */
export function createRowReader(matrix: OpenMatrix): RowReader {
  const { format, numColumns, paddedColumns } = matrix.layout
  if (format === "f32") return (out, outOffset, row) => readF32Row(out, outOffset, matrix, row)
  const words = new Int32Array(paddedColumns / 4)
  const integers = new Uint8Array(words.buffer)
  return (out, outOffset, row) => {
    readIntegerRow(words, matrix, row)
    const scale = matrix.scales[row]!
    for (let k = 0; k < numColumns; k++) out[outOffset + k] = (integers[k]! - 128) * scale
    if (isRotated(format)) rotateColumns(out, outOffset, numColumns)
  }
}

/**
 * Writes row `ids[i]` of a matrix, dequantised, to row `i` of `out`, `numIds` of them.
 *
 * @param readRow the matrix's reader, where the caller keeps one: the call then allocates nothing
 * @throws Error on an id that is not a row
 */
export function embedRows(
  out: Float32Array,
  ids: Int32Array,
  numIds: number,
  matrix: OpenMatrix,
  readRow: RowReader = createRowReader(matrix),
): void {
  const { numRows, numColumns } = matrix.layout
  for (let i = 0; i < numIds; i++) {
    const id = ids[i]!
    if (id < 0 || id >= numRows) throw new Error(`embed: id ${id} is outside the ${numRows} rows`)
    readRow(out, i * numColumns, id)
  }
}

/** Writes the matrix that a slab holds, dequantised, to `out` `[numRows, numColumns]`. */
export function unpackMatrix(out: Float32Array, slab: Uint8Array, layout: MatrixLayout): void {
  const readRow = createRowReader(openMatrix(slab, layout))
  for (let row = 0; row < layout.numRows; row++) readRow(out, row * layout.numColumns, row)
}
