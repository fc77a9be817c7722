import { linearLogits, mlpLogits } from "@consilium/gating"
import type { Rows } from "@consilium/kernels"
import type { MoeLayer } from "./MoeWeights.ts"

/** Writes the router's logits `[T, E]` of `hidden` `[T, H]`. */
export function routerLogits(out: Rows, hidden: Rows, numTokens: number, layer: MoeLayer, taskIds?: Int32Array): void {
  const { router, backend, config } = layer
  if (router.kind !== "slab") {
    backend.read?.(hidden, numTokens)
    backend.sync?.()
  }
  switch (router.kind) {
    case "slab":
      return backend.matmul(out, hidden, numTokens, router.slab)
    case "linear":
      linearLogits(out.values, hidden.values, numTokens, router, config.numExperts)
      break
    case "mlp":
      mlpLogits(out.values, hidden.values, numTokens, router, config.numExperts, taskIds)
  }
  backend.wrote?.(out)
}
