import type { Rows } from "@consilium/kernels"
import { type DispatchPlan, numRowsOf } from "./DispatchPlan.ts"
import type { MoeLayer } from "./MoeWeights.ts"

/** Runs every expert that has rows over its rows: `[A, H] → [A, H]`. Each expert's weights are read once. */
export function runExperts(out: Rows, dispatched: Rows, plan: DispatchPlan, { backend, experts }: MoeLayer): void {
  for (let e = 0; e < experts.length; e++) {
    const numRows = numRowsOf(plan, e)
    if (numRows > 0) backend.expert(out, dispatched, plan.offsets[e]!, numRows, experts[e]!)
  }
}
