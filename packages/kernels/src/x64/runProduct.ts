import { numProductTasks, productKernel, writeProduct } from "./planProduct.ts"
import { quantizeActivations } from "./quantizeActivations.ts"
import { quantizedRowBytes } from "./quantizedRows.ts"
import { scratchAddress } from "./kernelAbi.ts"
import { productWorkBytes } from "./productArguments.ts"
import type { GrowingMemory, PlacedRows, X64Context } from "./X64Context.ts"
import type { PlacedMatrix } from "./X64Slab.ts"

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
  const { layout, groupBytes, numGroups } = matrix
  const rows = placeActivations(context, activations, x, numRows, matrix)
  hosts.reserveScratch(productWorkBytes(layout.paddedColumns))
  const code = productKernel(context, layout.format)
  const numPairs = numGroups / 2
  const numTasks = numProductTasks(hosts.numHosts, numGroups * groupBytes, numRows, numPairs)
  const places = { ...rows, numRows, out: out.address, outStride: out.width * 4, expanded: scratchAddress(0) }
  for (let task = 0; task < numTasks; task++) {
    const first = Math.floor((numPairs * task) / numTasks)
    const end = Math.floor((numPairs * (task + 1)) / numTasks)
    writeProduct(context, hosts.add(code), code, matrix, undefined, first, end - first, places)
  }
  hosts.run()
}

/** Returns the rows that products with `matrix` read: `x` itself, or its 8-bit form. */
export function placeActivations(
  context: X64Context,
  activations: GrowingMemory,
  x: PlacedRows,
  numRows: number,
  { layout: { format, numColumns, paddedColumns } }: PlacedMatrix,
): { readonly x: number; readonly xStride: number } {
  const fromStride = x.width * 4
  if (format === "f32") return { x: x.address, xStride: fromStride }
  const xStride = quantizedRowBytes(paddedColumns)
  const out = activations.address(numRows * xStride)
  quantizeActivations(context, { x: x.address, xStride: fromStride, numColumns, paddedColumns, out, numRows })
  return { x: out, xStride }
}
