import type { Slab, Span } from "@consilium/kernels"

/** A slab that is open at home, and on the device as well where that holds it. Both have it from the same packed bytes, so these stay in the arena. */
export interface TierSlab extends Slab {
  readonly backend: "gpu"
  readonly readsArena: true
  readonly span: Span
  /** Wanted on the device whenever that is there and has room; others go there when they are told to. */
  readonly isPinned: boolean
  readonly home: Slab
  /** Undefined where the device does not hold it. */
  device: Slab | undefined
}
