import type { Routing } from "@consilium/gating"
import type { Rows } from "@consilium/kernels"
import type { MoeLayer, MoeScratch } from "./MoeWeights.ts"

/** Whether the backend takes all experts of a layer in one call. */
export function runsTogether({ backend, experts }: MoeLayer): boolean {
  return backend.supports("experts", experts[0]!.layout.format)
}

/** Dispatches, runs all experts and combines in one call of the backend; `scratch.plan` is the routing's plan. Drops and sums as the three steps do. */
export function runTogether(
  out: Rows,
  hidden: Rows,
  { numTokens, topK, weights }: Routing,
  { backend, experts }: MoeLayer,
  { outputs, expertRows }: MoeScratch,
): void {
  expertRows.numTokens = numTokens
  expertRows.topK = topK
  expertRows.weights = weights
  backend.experts!(out, outputs, hidden, expertRows, experts)
}
