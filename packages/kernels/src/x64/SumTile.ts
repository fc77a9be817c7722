import type { FirstLanes } from "./firstLanes.ts"

/** Some queries times some vectors: their sums live in registers from 0 on, what they need beside them in those that follow. */
export interface SumTile {
  readonly numQueries: number
  readonly numVectors: number
  /** Bytes from one query to the next. */
  readonly stride: number
  /** Loads the last vector where there is not memory for all of its lanes. */
  readonly last: FirstLanes | undefined
  /** Vectors come as words, one for two vectors. */
  readonly isPaired: boolean
  /** Holds the first vector; a single query's vectors are used once, so that they are operands unless they must be loaded with a mask. */
  readonly firstVector: number
  readonly factors: readonly number[]
}
