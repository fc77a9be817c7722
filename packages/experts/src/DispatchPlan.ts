/**
 * Which assignments each expert runs, in CSR form: expert e owns `order[offsets[e] .. offsets[e + 1])`.
 *
 * An assignment is one (token, k) pair, `t * K + k`; its place in `order` is its row among the dispatched rows.
 */
export interface DispatchPlan {
  /** `[T * K]`, the first `offsets[E]` of which count. */
  readonly order: Int32Array
  /** `[E + 1]` */
  readonly offsets: Int32Array
  /** `[T * K]` row of each assignment, -1 where it was dropped: the inverse of `order`. */
  readonly rows: Int32Array
  /** `[E]` next free row while a plan is made. */
  readonly cursor: Int32Array
  numDropped: number
}

/** Allocates a plan for up to `maxAssignments` = T · K. */
export function createDispatchPlan(maxAssignments: number, numExperts: number): DispatchPlan {
  return {
    order: new Int32Array(maxAssignments),
    offsets: new Int32Array(numExperts + 1),
    rows: new Int32Array(maxAssignments),
    cursor: new Int32Array(numExperts),
    numDropped: 0,
  }
}

/** Returns how many rows expert `expertId` runs. */
export function numRowsOf(plan: DispatchPlan, expertId: number): number {
  return plan.offsets[expertId + 1]! - plan.offsets[expertId]!
}
