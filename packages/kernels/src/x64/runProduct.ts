import { isRotated } from "../SlabLayout.ts"
import { takePairs } from "./countParts.ts"
import { scratchAddress } from "./kernelAbi.ts"
import { productWorkBytes } from "./productArguments.ts"
import { createRowsToQuantize, quantizeActivations, type RowsToQuantize } from "./quantizeActivations.ts"
import { quantizedRowBytes } from "./quantizedRows.ts"
import { createProductRows, type ProductInput, type ProductRows, writeProduct } from "./writeProduct.ts"
import { createGrowingMemory, type GrowingMemory, type PlacedRows, type X64Context } from "./X64Context.ts"
import type { PlacedMatrix } from "./X64Slab.ts"

/** Memory of products, kept from call to call: a call allocates nothing. */
export interface ProductMemory {
  /** 8-bit rows of x. */
  readonly activations: GrowingMemory
  readonly rows: ProductRows
  readonly toQuantize: RowsToQuantize
}

export function createProductMemory({ arena }: X64Context): ProductMemory {
  return { activations: createGrowingMemory(arena), rows: createProductRows(), toQuantize: createRowsToQuantize() }
}

/** Runs `out[t] = W · x[t] (+ bias)`, cut over the hosts by output columns. */
export function runProduct(
  context: X64Context,
  memory: ProductMemory,
  out: PlacedRows,
  x: PlacedRows,
  numRows: number,
  matrix: PlacedMatrix,
): void {
  if (numRows === 0) return
  const { hosts } = context
  const { code, numPairs, groupBytes, layout } = matrix
  const { rows } = memory
  hosts.reserveScratch(productWorkBytes(layout.paddedColumns))
  placeActivations(rows, context, memory, x, numRows, matrix)
  rows.numRows = numRows
  rows.out = out.address
  rows.outStride = out.width * 4
  rows.expanded = scratchAddress(0)
  for (let first = 0; first < numPairs;) {
    const left = numPairs - first
    const count = takePairs(hosts.numHosts, groupBytes, left, left * 2 * groupBytes, numRows)
    writeProduct(context, hosts.add(code), code, matrix, undefined, first, count, rows)
    first += count
  }
  hosts.run()
}

/** Writes to `to` which rows products with `matrix` read: `x` itself, or its 8-bit form, which is there when it returns. */
export function placeActivations(
  to: ProductInput,
  context: X64Context,
  { activations, toQuantize }: ProductMemory,
  x: PlacedRows,
  numRows: number,
  { layout }: PlacedMatrix,
): void {
  to.x = x.address
  to.xStride = x.width * 4
  if (layout.format === "f32") return
  toQuantize.x = to.x
  toQuantize.xStride = to.xStride
  toQuantize.numColumns = layout.numColumns
  toQuantize.paddedColumns = layout.paddedColumns
  toQuantize.isRotated = isRotated(layout.format)
  toQuantize.rotated = scratchAddress(0)
  toQuantize.numRows = numRows
  to.xStride = quantizedRowBytes(layout.paddedColumns)
  to.x = toQuantize.out = activations.address(numRows * to.xStride)
  quantizeActivations(context, toQuantize)
}
