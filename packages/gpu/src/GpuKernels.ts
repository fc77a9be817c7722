import type { GpuQueue, KernelId } from "./GpuQueue.ts"
import { productCode, type ProductKind } from "./productKernel.ts"
import { rowsCode, type RowsKind, rowsName } from "./rowsKernel.ts"

/** Kernels of the device that is open: each is generated and compiled when it is first wanted. */
export interface GpuKernels {
  product(kind: ProductKind): KernelId
  rows(kind: RowsKind): KernelId
}

export function createGpuKernels(queue: GpuQueue): GpuKernels {
  const known = new Map<string, KernelId>()
  let generation = 0
  const kernelOf = (name: string, code: () => string): KernelId => {
    if (generation !== queue.generation) known.clear()
    generation = queue.generation
    const kernel = known.get(name) ?? queue.createKernel(code())
    known.set(name, kernel)
    return kernel
  }
  return {
    product: (kind) => kernelOf(`product ${kind.format} ${kind.tile} ${kind.isGathered}`, () => productCode(kind)),
    rows: (kind) => kernelOf(rowsName(kind), () => rowsCode(kind)),
  }
}
