import type { Slab } from "@consilium/kernels"
import type { ExpertLayout } from "./runRows.ts"

/** Returns the layout of an expert slab. @throws Error on a matrix slab */
export function expertOf({ layout }: Slab): ExpertLayout {
  if (layout.kind !== "expert") throw new Error("gpu: expected an expert slab, found a matrix")
  return layout
}
