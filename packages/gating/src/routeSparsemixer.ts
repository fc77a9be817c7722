import type { SparsemixerConfig } from "./RouterConfig.ts"
import type { RouteOptions, RouteScratch } from "./RouteScratch.ts"
import type { Routing } from "./Routing.ts"

/**
 * Routes one token as PhiMoE does: the best expert, weighed by its softmax share among those within `2ε` of it relatively, then the same for
 * the best of the rest. The two weights do not sum to 1.
 *
 * Where bias, noise or capacity chooses another than the best, gaps are measured from the chosen one. Equal zeros have no gap (not 0/0).
 *
 * @see Phi-3.5-MoE, `sparsemixer` in transformers' `modeling_phimoe.py`; Liu et al., arXiv:2310.00811
 */
export function routeSparsemixer(
  out: Routing,
  t: number,
  logits: Float32Array,
  { topK, jitterEpsilon }: SparsemixerConfig,
  scratch: RouteScratch,
  { selectionBias, routerNoise, availability, capacity = Number.POSITIVE_INFINITY }: RouteOptions,
): void {
  const { numExperts, choice, scores: remaining, counts } = scratch
  const row = t * numExperts
  for (let e = 0; e < numExperts; e++) {
    const isAvailable = availability?.[e] !== 0
    remaining[e] = isAvailable ? logits[row + e]! : Number.NEGATIVE_INFINITY
    const hasRoom = isAvailable && counts[e]! < capacity
    const push = (selectionBias?.[e] ?? 0) + (routerNoise?.[row + e] ?? 0)
    choice[e] = hasRoom ? remaining[e]! + push : Number.NEGATIVE_INFINITY
  }
  for (let k = 0; k < topK; k++) {
    const best = indexOfLargest(choice, numExperts)
    const isDropped = choice[best] === Number.NEGATIVE_INFINITY
    out.expertIds[t * topK + k] = isDropped ? -1 : best
    out.weights[t * topK + k] = isDropped ? 0 : shareOf(best, remaining, numExperts, jitterEpsilon)
    choice[best] = Number.NEGATIVE_INFINITY
    if (!isDropped) remaining[best] = Number.NEGATIVE_INFINITY
  }
}

/** The softmax share of `chosen` among the remaining experts whose relative gap to it is at most `2ε`. */
function shareOf(chosen: number, remaining: Float64Array, numExperts: number, jitterEpsilon: number): number {
  const top = remaining[chosen]!
  let sum = 0
  for (let e = 0; e < numExperts; e++) {
    const logit = remaining[e]!
    if (logit === Number.NEGATIVE_INFINITY) continue
    const isFar = (top - logit) / Math.max(Math.abs(logit), top) > 2 * jitterEpsilon
    if (!isFar) sum += Math.exp(logit - top)
  }
  return 1 / sum
}

function indexOfLargest(values: Float64Array, length: number): number {
  let best = 0
  for (let i = 1; i < length; i++) if (values[i]! > values[best]!) best = i
  return best
}
