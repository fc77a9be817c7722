import { isRotated, matrixOf, type Slab } from "@consilium/kernels"
import type { BufferId } from "./GpuQueue.ts"
import type { GpuContext } from "./runRows.ts"

/** Writes rows of a matrix, dequantised, to `out` `[numIds, numColumns]`. @param ids each a row of the matrix */
export function embedRows(
  { queue, kernels, scratch, slabs }: GpuContext,
  out: BufferId,
  ids: Int32Array,
  slab: Slab,
): void {
  const { format, numColumns, values, groupStride, scales = 0, paddedColumns } = matrixOf(slab)
  const kind = { source: { kind: "weights", format }, target: "f32", isRotated: isRotated(format) } as const
  const { heap, word } = slabs.placeOf(slab)
  const lookUp = scratch.take("lookUp", ids.byteLength)
  queue.writeValues(lookUp, ids)
  const parts = [word + values / 4, groupStride / 4, word + scales / 4]
  const parameters = [numColumns, numColumns, ...parts, paddedColumns, 0]
  queue.dispatch(kernels.rows(kind), [ids.length, 1], parameters, [heap.buffer, lookUp, out])
}
