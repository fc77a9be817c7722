import type { ExpertRows } from "../Backend.ts"
import type { X64Slab } from "./X64Slab.ts"

/** Which rows of x each expert runs; `ExpertRows` without what only the sum needs. */
export type RowPlan = Pick<ExpertRows, "numTokens" | "topK" | "order" | "offsets">

/** By expert; undefined for one that does not run. */
export type Slabs = readonly (X64Slab | undefined)[]

/** Returns how many rows an expert runs: none without a slab. */
export function numRowsOf({ offsets }: RowPlan, slabs: Slabs, e: number): number {
  return slabs[e] === undefined ? 0 : offsets[e + 1]! - offsets[e]!
}
