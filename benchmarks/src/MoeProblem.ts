import type { PlainExpert } from "@consilium/experts"
import { createRouteScratch, createRouting, route, type Routing } from "@consilium/gating"
import { createRandom, noise } from "@consilium/tensor"

/** The sizes of a layer of SwiGLU experts. */
export interface MoeShape {
  readonly hiddenSize: number
  readonly expertIntermediateSize: number
  readonly numExperts: number
  readonly topK: number
}

/** How unevenly tokens choose experts: all alike, expert e with weight 1 / (e + 1), or expert 0 by every token. */
export const SKEWS = ["uniform", "Zipf", "one hot expert"] as const
export type Skew = (typeof SKEWS)[number]

/** Returns zero-mean random experts. */
export function randomExperts({ hiddenSize, expertIntermediateSize, numExperts }: MoeShape): PlainExpert[] {
  const size = hiddenSize * expertIntermediateSize
  return Array.from({ length: numExperts }, (_, e) => ({
    gateProj: noise(size, e * 3, 0.03),
    upProj: noise(size, e * 3 + 1, 0.03),
    downProj: noise(size, e * 3 + 2, 0.03),
  }))
}

/** Router weights `[E, H]` that read coordinate e of a token as expert e's logit, so that `skewedHidden` decides who is chosen. */
export function readingRouter({ numExperts, hiddenSize }: Pick<MoeShape, "numExperts" | "hiddenSize">): Float32Array {
  const weight = new Float32Array(numExperts * hiddenSize)
  for (let e = 0; e < numExperts; e++) weight[e * hiddenSize + e] = 1
  return weight
}

/**
 * Returns random tokens `[T, H]` whose first E coordinates are router logits of a skew.
 *
 * A logit is the log of the expert's weight and Gumbel noise, so the top k are a draw by weight without replacement.
 *
 * @see Kool et al., "Stochastic Beams and Where to Find Them", arXiv:1903.06059
 */
export function skewedHidden(numTokens: number, { hiddenSize, numExperts }: MoeShape, skew: Skew): Float32Array {
  const hidden = noise(numTokens * hiddenSize, 7, 1)
  const random = createRandom(numTokens)
  for (let t = 0; t < numTokens; t++) {
    for (let e = 0; e < numExperts; e++) {
      const gumbel = -Math.log(-Math.log(random() + 1e-12))
      hidden[t * hiddenSize + e] = logWeight(e, skew) + gumbel
    }
  }
  return hidden
}

/** One in e¹² tokens may still miss the hot expert. */
const HOT_LOG_WEIGHT = 16

function logWeight(expertId: number, skew: Skew): number {
  if (skew === "uniform") return 0
  return skew === "Zipf" ? -Math.log(expertId + 1) : expertId === 0 ? HOT_LOG_WEIGHT : 0
}

/** Returns where `readingRouter` sends tokens: softmax, best k, weights that sum to one. */
export function routingOf(
  hidden: Float32Array,
  numTokens: number,
  { hiddenSize, numExperts, topK }: MoeShape,
): Routing {
  const logits = new Float32Array(numTokens * numExperts)
  for (let t = 0; t < numTokens; t++) {
    logits.set(hidden.subarray(t * hiddenSize, t * hiddenSize + numExperts), t * numExperts)
  }
  return route(createRouting(numTokens, topK), logits, numTokens, routerOf(topK), createRouteScratch(numExperts))
}

/** The router of most published models. */
export function routerOf(topK: number) {
  return { kind: "top-k", topK, score: "softmax", normalizesWeights: true } as const
}
