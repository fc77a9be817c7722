import type { Slab, Span } from "@consilium/kernels"
import type { HeapPlace } from "./GpuHeaps.ts"

/** A slab on the device. Its packed bytes stay in the arena: what a lost device held is uploaded again from there. */
export interface GpuSlab extends Slab {
  readonly backend: "gpu"
  readonly readsArena: true
  readonly span: Span
  /** Where it lies, on the device of that generation. */
  place: HeapPlace
  generation: number
}
