import type { Activation, ExpertActivation } from "./Activation.ts"

/** `f32`; `int8`: rotated, one scale a row; `int4`: one scale a row, and in blocks of 32 columns a multiplier and an offset. */
export type Format = "f32" | "int8" | "int4"

/** Bump when any byte of a packed slab would change: prepared models of another version are prepared again. */
export const LAYOUT_VERSION = 3

/**
 * Whether products with weights of a format rotate both sides. @see rotateColumns
 *
 * In 4 bits they do not: a rotation takes from the search for grids that columns matter unequally, and costs more than it gives.
 */
export function isRotated(format: Format): boolean {
  return format === "int8"
}

/** Rows of a group: as many as 32-bit lanes in a 64-byte register. */
export const GROUP_ROWS = 16
/** Columns of an `int4` block. */
export const BLOCK_COLUMNS = 32

/**
 * Where one matrix `[numRows, numColumns]` (out × in) lies inside its slab. Rows are padded to 32 and columns to 64: K below.
 *
 * Values lie in *groups* of 16 rows: group g begins at `values + g * groupStride`. A group is
 *
 * - `f32`: f32 `[K][16]`, a column's 16 rows side by side; padding is 0.
 * - `int8`: u8 `[K/4][16][4]`: a row's four columns in one 32-bit lane. w is what `rotateColumns` makes of scale · (u - 128), u in 1..255, and
 *   products multiply scale · (u - 128) with inputs that are rotated too; padding is 128.
 * - `int4`: nibbles `[K/8][16][4]`: byte j of row r in piece p is column 8p + j in the low and 8p + 4 + j in the high nibble. From byte 8K on
 *   lie `[K/64]` pieces of 48 bytes, each for two blocks of 32 columns: 16 bytes with the rows' multipliers m (the first block's in the low
 *   nibbles), then 16 offsets c of the first block and 16 of the second. w = scale · (q · m + c - 128), where q · m + c is in 1..255: it
 *   expands to the `u` of int8. Whole blocks of padding, and rows of it, have m = 0 and c = 128.
 *
 * `scales` and `bias` are f32 `[paddedRows]`. Offsets are bytes from the slab's start, aligned to 64.
 */
export interface MatrixLayout {
  readonly format: Format
  readonly numRows: number
  readonly numColumns: number
  readonly paddedRows: number
  readonly paddedColumns: number
  readonly values: number
  /** Bytes from one group to the next: `groupBytes`, or twice that where gate and up projection take turns. */
  readonly groupStride: number
  /** Undefined in f32. */
  readonly scales: number | undefined
  readonly bias: number | undefined
}

/** A slab is one matrix, or one expert: `down · (act(gate · x) ⊙ (up · x))`, or `down · act(up · x)` where there is no gate projection. */
export type SlabLayout =
  | { readonly kind: "matrix"; readonly format: Format; readonly bytes: number; readonly matrix: MatrixLayout }
  | {
      readonly kind: "expert"
      readonly format: Format
      readonly bytes: number
      readonly activation: Activation
      readonly gateProj: MatrixLayout | undefined
      readonly upProj: MatrixLayout
      readonly downProj: MatrixLayout
    }

/** What a matrix slab's layout follows from; it is what a manifest stores. */
export interface MatrixShape {
  readonly format: Format
  readonly numRows: number
  readonly numColumns: number
  readonly hasBias: boolean
}

/** What an expert slab's layout follows from. */
export type ExpertShape = {
  readonly format: Format
  readonly hiddenSize: number
  readonly intermediateSize: number
  readonly hasBias: boolean
} & ExpertActivation

type MatrixSlabLayout = Extract<SlabLayout, { kind: "matrix" }>
type ExpertSlabLayout = Extract<SlabLayout, { kind: "expert" }>

/**
 * Lays out one matrix as a slab: its groups, its scales, its bias. The same shape always gives the same bytes.
 *
 * @throws Error on sizes that are not positive integers, or columns past what an int32 sum of int8 products holds
 */
export function planMatrixSlab(shape: MatrixShape): MatrixSlabLayout {
  const { matrices, end } = planMatrices(0, shape, 1)
  return { kind: "matrix", format: shape.format, bytes: end, matrix: matrices[0]! }
}

/**
 * Lays out one expert as a slab: gateProj (where there is one) and upProj group by group in turn, so that one stream feeds SwiGLU; then
 * downProj.
 *
 * @throws Error as `planMatrixSlab` does, and on a limit that is not a finite number above 0
 */
export function planExpertSlab(shape: ExpertShape): ExpertSlabLayout {
  const { format, hiddenSize, intermediateSize, activation, hasGateProj, hasBias } = shape
  if (typeof activation !== "string" && !(activation.limit > 0 && activation.limit < Infinity)) {
    throw new Error(`slab layout: expected a finite limit above 0, found ${activation.limit}`)
  }
  const innerShape = { format, numRows: intermediateSize, numColumns: hiddenSize, hasBias }
  const inner = planMatrices(0, innerShape, hasGateProj ? 2 : 1)
  const downShape = { format, numRows: hiddenSize, numColumns: intermediateSize, hasBias }
  const down = planMatrices(inner.end, downShape, 1)
  return {
    kind: "expert",
    format,
    bytes: down.end,
    activation,
    gateProj: hasGateProj ? inner.matrices[0] : undefined,
    upProj: inner.matrices.at(-1)!,
    downProj: down.matrices[0]!,
  }
}

/** Columns of an `int4` block parameter piece, and its bytes: multipliers and offsets of 16 rows for two blocks. */
const PIECE_COLUMNS = 2 * BLOCK_COLUMNS
export const PIECE_BYTES = 3 * GROUP_ROWS

/** Bytes of one group, a multiple of 64. */
export function groupBytes(format: Format, paddedColumns: number): number {
  const elements = GROUP_ROWS * paddedColumns
  if (format === "f32") return elements * 4
  if (format === "int8") return elements
  return roundUp(elements / 2 + (paddedColumns / PIECE_COLUMNS) * PIECE_BYTES, 64)
}

/** Columns of int8 products that always fit an int32 sum: 2^31 / 128². */
const MAX_COLUMNS = 131_072

/** Plans `count` matrices of one shape whose groups take turns; their scales and biases follow. */
function planMatrices(
  begin: number,
  { format, numRows, numColumns, hasBias }: MatrixShape,
  count: number,
): { matrices: MatrixLayout[]; end: number } {
  if (!(Number.isInteger(numRows) && numRows > 0 && Number.isInteger(numColumns) && numColumns > 0)) {
    throw new Error(`slab layout: expected positive sizes, found ${numRows} rows, ${numColumns} columns`)
  }
  if (numColumns > MAX_COLUMNS) throw new Error(`slab layout: at most ${MAX_COLUMNS} columns, found ${numColumns}`)
  const paddedRows = roundUp(numRows, 32)
  const paddedColumns = roundUp(numColumns, 64)
  const ownBytes = groupBytes(format, paddedColumns)
  const groupStride = count * ownBytes
  let end = begin + (paddedRows / GROUP_ROWS) * groupStride
  const takeVector = (): number => {
    const offset = end
    end += roundUp(paddedRows * 4, 64)
    return offset
  }
  const matrices = Array.from({ length: count }, (_, i) => ({
    format,
    numRows,
    numColumns,
    paddedRows,
    paddedColumns,
    values: begin + i * ownBytes,
    groupStride,
    scales: format === "f32" ? undefined : takeVector(),
    bias: hasBias ? takeVector() : undefined,
  }))
  return { matrices, end }
}

function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple
}
