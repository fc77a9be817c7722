import type { Rows } from "@consilium/kernels"
import type { DispatchPlan } from "./DispatchPlan.ts"

/** Copies each token's row to the rows of its assignments, grouped by expert: `[T, H] → [A, H]`. */
export function dispatch(out: Rows, hidden: Rows, plan: DispatchPlan, topK: number): void {
  const { width, values: from } = hidden
  const to = out.values
  const numRows = plan.offsets[plan.offsets.length - 1]!
  for (let row = 0; row < numRows; row++) {
    const token = Math.floor(plan.order[row]! / topK)
    const source = token * width
    const target = row * width
    for (let i = 0; i < width; i++) to[target + i] = from[source + i]!
  }
}
