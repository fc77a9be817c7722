/** `f32`; `int8`: one scale per weight row; `int4`: blocks of 32 along the columns, a scale and a zero point each. */
export type Format = "f32" | "int8" | "int4"

/** Bump when any byte of a packed slab would change: prepared models of another version are prepared again. */
export const LAYOUT_VERSION = 1

/**
 * Where one matrix `[numRows, numColumns]` (out × in) lies inside its slab. Rows are padded to 32 and columns to 64 with zeros.
 *
 * - `f32`: `values` f32 `[paddedRows, paddedColumns]`.
 * - `int8`: `values` int8 `[paddedColumns, paddedRows]` (column-major: ONNX's B operand), `scales` f32 `[paddedRows]`; w = scale · q.
 * - `int4`: `values` nibbles `[paddedRows, paddedColumns/32, 16]`, low nibble first; `scales` f32 `[paddedRows, paddedColumns/32]`;
 *   `zeroPoints` nibbles `[paddedRows, paddedColumns/64]`, low nibble first; w = scale · (q - zeroPoint).
 *
 * `bias` is f32 `[paddedRows]`. Offsets are bytes from the slab's start, aligned to 64.
 */
export interface MatrixLayout {
  readonly format: Format
  readonly numRows: number
  readonly numColumns: number
  readonly paddedRows: number
  readonly paddedColumns: number
  readonly values: number
  readonly scales: number | undefined
  readonly zeroPoints: number | undefined
  readonly bias: number | undefined
}

export type Activation = "silu" | "relu"

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
export interface ExpertShape {
  readonly format: Format
  readonly hiddenSize: number
  readonly intermediateSize: number
  readonly activation: Activation
  readonly hasGateProj: boolean
  readonly hasBias: boolean
}

type MatrixSlabLayout = Extract<SlabLayout, { kind: "matrix" }>
type ExpertSlabLayout = Extract<SlabLayout, { kind: "expert" }>

/**
 * Lays out one matrix as a slab: the same shape always gives the same bytes.
 *
 * @throws Error on sizes that are not positive integers, or columns past what an int32 sum of int8 products holds
 */
export function planMatrixSlab(shape: MatrixShape): MatrixSlabLayout {
  const { matrix, end } = planMatrix(0, shape)
  return { kind: "matrix", format: shape.format, bytes: end, matrix }
}

/** Lays out one expert as a slab: gateProj (where there is one), upProj, downProj. @throws Error as `planMatrixSlab` does */
export function planExpertSlab(shape: ExpertShape): ExpertSlabLayout {
  const { format, hiddenSize, intermediateSize, activation, hasGateProj, hasBias } = shape
  const inner = { format, numRows: intermediateSize, numColumns: hiddenSize, hasBias }
  const gateProj = hasGateProj ? planMatrix(0, inner) : undefined
  const upProj = planMatrix(gateProj?.end ?? 0, inner)
  const downProj = planMatrix(upProj.end, { format, numRows: hiddenSize, numColumns: intermediateSize, hasBias })
  return {
    kind: "expert",
    format,
    bytes: downProj.end,
    activation,
    gateProj: gateProj?.matrix,
    upProj: upProj.matrix,
    downProj: downProj.matrix,
  }
}

/** Columns of int8 products that always fit an int32 sum: 2^31 / 128². */
const MAX_COLUMNS = 131_072

function planMatrix(begin: number, shape: MatrixShape): { matrix: MatrixLayout; end: number } {
  const { format, numRows, numColumns, hasBias } = shape
  if (!(Number.isInteger(numRows) && numRows > 0 && Number.isInteger(numColumns) && numColumns > 0)) {
    throw new Error(`slab layout: expected positive sizes, found ${numRows} rows, ${numColumns} columns`)
  }
  if (numColumns > MAX_COLUMNS) throw new Error(`slab layout: at most ${MAX_COLUMNS} columns, found ${numColumns}`)
  const paddedRows = roundUp(numRows, 32)
  const paddedColumns = roundUp(numColumns, 64)
  const elements = paddedRows * paddedColumns
  let end = begin
  const take = (bytes: number): number => {
    const offset = end
    end = roundUp(end + bytes, 64)
    return offset
  }
  const values = take(format === "f32" ? elements * 4 : format === "int8" ? elements : elements / 2)
  const scales = format === "f32" ? undefined : take(format === "int8" ? paddedRows * 4 : elements / 8)
  const zeroPoints = format === "int4" ? take(elements / 64) : undefined
  const bias = hasBias ? take(paddedRows * 4) : undefined
  return { matrix: { format, numRows, numColumns, paddedRows, paddedColumns, values, scales, zeroPoints, bias }, end }
}

function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple
}
