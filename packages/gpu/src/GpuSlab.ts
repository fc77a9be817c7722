import type { Slab, Span } from "@consilium/kernels"
import type { BufferId } from "./GpuQueue.ts"

/** A slab on the device. Its packed bytes stay in the arena: what a lost device held is uploaded again from there. */
export interface GpuSlab extends Slab {
  readonly backend: "gpu"
  readonly readsArena: true
  readonly span: Span
  /** Its buffer, on the device of that generation. */
  buffer: BufferId
  generation: number
}
