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

// planMatrixSlab(shape): SlabLayout & { kind: "matrix" }; planExpertSlab(shape): SlabLayout & { kind: "expert" }
