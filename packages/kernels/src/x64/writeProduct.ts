import { PRODUCT } from "./productArguments.ts"
import type { PlacedMatrix } from "./X64Slab.ts"
import type { X64Context } from "./X64Context.ts"

/** Output columns of a pair of groups of one matrix. */
const PAIR_COLUMNS = 32
/** Output columns of a gated pair. */
const GATED_COLUMNS = 16

/** Rows that products read: f32, or `quantizedRows`. An address, or a place in a host's scratch memory. */
export interface ProductInput {
  x: number
  xStride: number
}

/** Where a product's rows come from and go to: addresses, or places in a host's scratch memory. Written anew for each product. */
export interface ProductRows extends ProductInput {
  numRows: number
  out: number
  outStride: number
  /** `productWorkBytes` of a host's scratch. */
  expanded: number
}

export function createProductRows(): ProductRows {
  return { x: 0, xStride: 0, numRows: 0, out: 0, outStride: 0, expanded: 0 }
}

/** Writes the record at `at` of a product with pairs `firstPair .. firstPair + numPairs` of `matrix`, or of `gate` and `matrix` (up) where there is a gate. */
export function writeProduct(
  { hosts: { records } }: X64Context,
  at: number,
  code: number,
  matrix: PlacedMatrix,
  gate: PlacedMatrix | undefined,
  firstPair: number,
  numPairs: number,
  rows: ProductRows,
): void {
  const first = gate ?? matrix
  const columns = firstPair * (gate === undefined ? PAIR_COLUMNS : GATED_COLUMNS)
  records[at] = code
  records[at + PRODUCT.weights] = first.weights + firstPair * 2 * first.groupBytes
  records[at + PRODUCT.groupBytes] = first.groupBytes
  records[at + PRODUCT.numPairs] = numPairs
  records[at + PRODUCT.x] = rows.x
  records[at + PRODUCT.xStride] = rows.xStride
  records[at + PRODUCT.numRows] = rows.numRows
  records[at + PRODUCT.out] = rows.out < 0 ? rows.out - columns * 4 : rows.out + columns * 4
  records[at + PRODUCT.outStride] = rows.outStride
  records[at + PRODUCT.scales] = fromColumn(first.scales, columns)
  records[at + PRODUCT.secondScales] = fromColumn(matrix.scales, columns)
  records[at + PRODUCT.bias] = fromColumn(first.bias, columns)
  records[at + PRODUCT.secondBias] = fromColumn(matrix.bias, columns)
  records[at + PRODUCT.numColumns] = matrix.readColumns
  records[at + PRODUCT.outColumns] = matrix.numRows - columns
  records[at + PRODUCT.expanded] = rows.expanded
}

/** An address of 0 is none, from whichever column on. */
function fromColumn(address: number, column: number): number {
  return address === 0 ? 0 : address + column * 4
}
