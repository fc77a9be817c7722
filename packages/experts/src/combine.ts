import type { Routing } from "@consilium/gating"
import type { Rows } from "@consilium/kernels"
import type { DispatchPlan } from "./DispatchPlan.ts"

/**
 * Writes each token's weighted sum over its experts' outputs: `[A, H] → [T, H]`.
 *
 * The sum runs over k in order of rank, whatever the batch, so a token's bits do not depend on its neighbours. Dropped assignments add nothing.
 */
export function combine(out: Rows, outputs: Rows, plan: DispatchPlan, routing: Routing): void {
  const { width, values: to } = out
  const from = outputs.values
  const { numTokens, topK, weights } = routing
  to.fill(0, 0, numTokens * width)
  for (let a = 0; a < numTokens * topK; a++) {
    const row = plan.rows[a]!
    if (row < 0) continue
    const weight = weights[a]!
    const source = row * width
    const target = Math.floor(a / topK) * width
    for (let i = 0; i < width; i++) to[target + i] = to[target + i]! + weight * from[source + i]!
  }
}
