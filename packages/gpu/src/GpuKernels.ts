import type { CacheFormat } from "@consilium/kernels"
import { addScaledCode, type AddScaledKind } from "./addScaledKernel.ts"
import { appendCode } from "./appendKernel.ts"
import { attendCode } from "./attendKernel.ts"
import type { AttendKind } from "./AttendKind.ts"
import { blockedProductCode } from "./blockedProductKernel.ts"
import { combineCode, type CombineKind } from "./combineKernel.ts"
import { enableCode, type GpuFeatures } from "./GpuFeatures.ts"
import type { GpuQueue, KernelId } from "./GpuQueue.ts"
import { matrixProductCode } from "./matrixProductKernel.ts"
import { mergeCode } from "./mergeKernel.ts"
import { planCode } from "./planKernel.ts"
import { BLOCK_ROWS, type ProductKind, productName } from "./ProductKind.ts"
import { productCode } from "./productKernel.ts"
import { rotateCode, type RotateKind } from "./rotateKernel.ts"
import { rowsCode, type RowsKind, rowsName } from "./rowsKernel.ts"
import { shortlistCode } from "./shortlistKernel.ts"
import { topKCode, type TopKKind, topKName } from "./topKKernel.ts"

/** Kernels of the device that is open: each is generated and compiled when it is first wanted. */
export interface GpuKernels {
  product(kind: ProductKind): KernelId
  rows(kind: RowsKind): KernelId
  rotate(kind: RotateKind): KernelId
  append(format: CacheFormat): KernelId
  attend(kind: AttendKind): KernelId
  merge(): KernelId
  addScaled(kind: AddScaledKind): KernelId
  topK(kind: TopKKind): KernelId
  plan(numExperts: number): KernelId
  combine(kind: CombineKind): KernelId
  shortlist(): KernelId
}

export function createGpuKernels(queue: GpuQueue): GpuKernels {
  const known = new Map<string, KernelId>()
  let generation = 0
  const features = (): GpuFeatures => queue.adapter.features
  const kernelOf = (name: string, code: () => string): KernelId => {
    if (generation !== queue.generation) known.clear()
    generation = queue.generation
    const kernel = known.get(name) ?? queue.createKernel(enableCode(features()) + code())
    known.set(name, kernel)
    return kernel
  }
  return {
    product: (kind) => kernelOf(productName(kind), () => productFor(kind, features())),
    rows: (kind) => kernelOf(rowsName(kind), () => rowsCode(kind, features())),
    rotate: (kind) => kernelOf(`rotate ${kind.normsOver} ${kind.rotates}`, () => rotateCode(kind, features())),
    append: (format) => kernelOf(`append ${format}`, () => appendCode(format)),
    attend: (kind) => kernelOf(`attend ${kind.shape} ${kind.vector} ${kind.cacheFormat}`, () => attendCode(kind)),
    merge: () => kernelOf("merge", mergeCode),
    addScaled: (kind) => kernelOf(`addScaled ${kind.hasFactors}`, () => addScaledCode(kind)),
    topK: (kind) => kernelOf(topKName(kind), () => topKCode(kind, features())),
    plan: (numExperts) => kernelOf(`plan ${numExperts}`, () => planCode(numExperts)),
    combine: (kind) => kernelOf(`combine ${kind.topK} ${kind.sharedExpert}`, () => combineCode(kind)),
    shortlist: () => kernelOf("shortlist", shortlistCode),
  }
}

function productFor(kind: ProductKind, { matrixUnit }: GpuFeatures): string {
  if (kind.tile !== BLOCK_ROWS) return productCode(kind)
  return matrixUnit === undefined ? blockedProductCode(kind) : matrixProductCode(kind, matrixUnit)
}
