import type { RouteOptions, RouteScratch } from "./RouteScratch.ts"
import type { SparsemixerConfig } from "./RouterConfig.ts"
import type { Routing } from "./Routing.ts"

/**
 * Routes one token as PhiMoE does: the best expert, weighed by its softmax share among those within `2ε` of it relatively, then the same for
 * the best of the rest. The two weights do not sum to 1.
 *
 * @see Phi-3.5-MoE, `sparsemixer` in transformers' `modeling_phimoe.py`; Liu et al., arXiv:2310.00811
 */
export function routeSparsemixer(
  out: Routing,
  t: number,
  logits: Float32Array,
  { jitterEpsilon }: SparsemixerConfig,
  { numExperts, choice, counts }: RouteScratch,
  { selectionBias, availability, capacity = Number.POSITIVE_INFINITY }: RouteOptions,
): void {
  const row = t * numExperts
  const isOpen = (e: number): boolean => availability?.[e] !== 0 && counts[e]! < capacity
  for (let e = 0; e < numExperts; e++) {
    choice[e] = isOpen(e) ? logits[row + e]! + (selectionBias?.[e] ?? 0) : Number.NEGATIVE_INFINITY
  }
  for (let k = 0; k < 2; k++) {
    const best = indexOfLargest(choice, numExperts)
    const isDropped = choice[best] === Number.NEGATIVE_INFINITY
    out.expertIds[t * 2 + k] = isDropped ? -1 : best
    out.weights[t * 2 + k] = isDropped ? 0 : shareOf(best, logits, row, choice, numExperts, jitterEpsilon)
    choice[best] = Number.NEGATIVE_INFINITY
  }
}

/** The softmax share of `best` among the remaining experts whose relative gap to it is at most `2ε`. */
function shareOf(
  best: number,
  logits: Float32Array,
  row: number,
  remaining: Float64Array,
  numExperts: number,
  jitterEpsilon: number,
): number {
  const largest = logits[row + best]!
  let sum = 0
  for (let e = 0; e < numExperts; e++) {
    if (remaining[e] === Number.NEGATIVE_INFINITY) continue
    const logit = logits[row + e]!
    const gap = (largest - logit) / Math.max(Math.abs(logit), largest)
    if (gap <= 2 * jitterEpsilon) sum += Math.exp(logit - largest)
  }
  return 1 / sum
}

function indexOfLargest(values: Float64Array, length: number): number {
  let best = 0
  for (let i = 1; i < length; i++) if (values[i]! > values[best]!) best = i
  return best
}
