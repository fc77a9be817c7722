import type { TopKRouterConfig } from "./RouterConfig.ts"
import type { Routing } from "./Routing.ts"

/** What load-aware routing costs. */
export interface RoutingDrift {
  /** Mean over tokens, in nats: how much further the weights are from the router's own scores than those of plain routing. */
  readonly kl: number
  /** Share of the assignments that went to another expert, or to none. */
  readonly moved: number
}

/**
 * Compares a routing that was biased, masked, bounded or made noisy with the plain one of the same logits.
 *
 * Weights of few experts are no distribution over all, and two sets of experts have no finite divergence from each other: both are measured from
 * the router's scores of all experts. The best k, weighed by their scores, are as near as k experts can be, so that the difference is 0 or more,
 * unless a trained bias chose even the plain ones. For normalised softmax it is the logarithm of the scores' sum over the plain choice, less that
 * over the biased one.
 *
 * @param logits `[T, E]` as the router gave them
 */
export function routingDrift(
  plain: Routing,
  biased: Routing,
  logits: Float32Array,
  numExperts: number,
  score: TopKRouterConfig["score"],
): RoutingDrift {
  const { numTokens, topK } = plain
  const shares = new Float64Array(numExperts)
  let kl = 0
  let numMoved = 0
  for (let t = 0; t < numTokens; t++) {
    shareScores(shares, logits, t * numExperts, score)
    kl += divergence(biased, t, shares) - divergence(plain, t, shares)
    for (let a = t * topK; a < (t + 1) * topK; a++) {
      const expertId = plain.expertIds[a]!
      if (expertId >= 0 && !biased.expertIds.subarray(t * topK, (t + 1) * topK).includes(expertId)) numMoved++
    }
  }
  return numTokens === 0 ? { kl: 0, moved: 0 } : { kl: kl / numTokens, moved: numMoved / (numTokens * topK) }
}

/** Writes each expert's share of a token's scores. */
function shareScores(shares: Float64Array, logits: Float32Array, row: number, score: TopKRouterConfig["score"]): void {
  let most = Number.NEGATIVE_INFINITY
  for (let e = 0; e < shares.length; e++) most = Math.max(most, logits[row + e]!)
  let sum = 0
  for (let e = 0; e < shares.length; e++) {
    const logit = logits[row + e]!
    shares[e] = score === "softmax" ? Math.exp(logit - most) : 1 / (1 + Math.exp(-logit))
    sum += shares[e]!
  }
  for (let e = 0; e < shares.length; e++) shares[e]! /= sum
}

/** Kullback-Leibler divergence of a token's weights, made to add up to 1, from shares of all experts. */
function divergence({ expertIds, weights, topK }: Routing, t: number, shares: Float64Array): number {
  let sum = 0
  for (let a = t * topK; a < (t + 1) * topK; a++) if (expertIds[a]! >= 0) sum += weights[a]!
  let kl = 0
  for (let a = t * topK; a < (t + 1) * topK; a++) {
    const weight = expertIds[a]! >= 0 ? weights[a]! / sum : 0
    if (weight > 0) kl += weight * Math.log(weight / Math.max(shares[expertIds[a]!]!, Number.MIN_VALUE))
  }
  return kl
}
