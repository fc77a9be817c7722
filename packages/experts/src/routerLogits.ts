import { linearLogits, mlpLogits } from "@consilium/gating"
import type { Rows } from "@consilium/kernels"
import type { MoeLayer } from "./MoeWeights.ts"

/** Writes the router's logits `[T, E]` of `hidden` `[T, H]`. */
export function routerLogits(out: Rows, hidden: Rows, numTokens: number, layer: MoeLayer, taskIds?: Int32Array): void {
  const { router, backend, config } = layer
  switch (router.kind) {
    case "slab":
      return backend.matmul(out, hidden, numTokens, router.slab)
    case "linear":
      return linearLogits(out.values, hidden.values, numTokens, router, config.numExperts)
    case "mlp":
      return mlpLogits(out.values, hidden.values, numTokens, router, config.numExperts, taskIds)
  }
}
