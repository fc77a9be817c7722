import type { Rows } from "./Arena.ts"
import type { Slab } from "./Backend.ts"
import type { MatrixLayout } from "./SlabLayout.ts"

/** Returns the matrix of a matrix slab. @throws Error on an expert slab */
export function matrixOf({ layout }: Slab): MatrixLayout {
  if (layout.kind !== "matrix") throw new Error("expected a matrix slab, found an expert")
  return layout.matrix
}

/** Throws unless rows are as wide as the slab's matrix wants them. */
export function checkWidths(op: string, out: Rows, outWidth: number, x: Rows, inWidth: number): void {
  if (x.width !== inWidth) throw new Error(`${op}: x is ${x.width} wide, the slab wants ${inWidth}`)
  if (out.width !== outWidth) throw new Error(`${op}: out is ${out.width} wide, the slab gives ${outWidth}`)
}

/** Throws unless `rows` has room for `numRows` rows of `width`: machine code would read and write past their end. */
export function checkNumRows(op: string, { values }: Rows, numRows: number, width: number): void {
  if (numRows * width > values.length)
    throw new Error(`${op}: expected ${numRows} rows of ${width} values, found room for ${values.length} values`)
}
