import { scratchAddress } from "./kernelAbi.ts"
import { forEachPart, productKernel, type ProductRows, writeProduct } from "./planProduct.ts"
import { productWorkBytes } from "./productArguments.ts"
import { quantizeActivations } from "./quantizeActivations.ts"
import { quantizedRowBytes } from "./quantizedRows.ts"
import type { GrowingMemory, PlacedRows, X64Context } from "./X64Context.ts"
import type { PlacedMatrix } from "./X64Slab.ts"

/** Rows that products read: f32, or `quantizedRows`. */
export type ProductInput = Pick<ProductRows, "x" | "xStride">

/** Runs `out[t] = W · x[t] (+ bias)`, cut over the hosts by output columns. */
export function runProduct(
  context: X64Context,
  activations: GrowingMemory,
  out: PlacedRows,
  x: PlacedRows,
  numRows: number,
  matrix: PlacedMatrix,
): void {
  if (numRows === 0) return
  const { hosts } = context
  const { layout, numPairs } = matrix
  const code = productKernel(context, layout.format)
  const input = placeActivations(context, activations, x, numRows, matrix)
  hosts.reserveScratch(productWorkBytes(layout.paddedColumns))
  const rows = { ...input, numRows, out: out.address, outStride: out.width * 4, expanded: scratchAddress(0) }
  forEachPart(hosts.numHosts, matrix, numPairs, numRows, (first, count) =>
    writeProduct(context, hosts.add(code), code, matrix, undefined, first, count, rows),
  )
  hosts.run()
}

/** Returns the rows that products with `matrix` read: `x` itself, or its 8-bit form. */
export function placeActivations(
  context: X64Context,
  activations: GrowingMemory,
  x: PlacedRows,
  numRows: number,
  { layout: { format, numColumns, paddedColumns } }: PlacedMatrix,
): ProductInput {
  const fromStride = x.width * 4
  if (format === "f32") return { x: x.address, xStride: fromStride }
  const xStride = quantizedRowBytes(paddedColumns)
  const out = activations.address(numRows * xStride)
  quantizeActivations(context, { x: x.address, xStride: fromStride, numColumns, paddedColumns, out, numRows })
  return { x: out, xStride }
}
