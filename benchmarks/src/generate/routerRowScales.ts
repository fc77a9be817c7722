import { createRandom } from "@consilium/tensor"
import { shuffle } from "../shuffle.ts"

/** How tokens spread over experts: evenly, or like a few popular ones and many rare. */
export type Skew = "uniform" | "zipf"

/** No expert is chosen by more tokens than this: a logit that is zero on average exceeds a threshold above zero half of the time at most. */
const MOST_LOAD = 0.45

/**
 * Returns a factor for each row of a random router, `[E]`, that gives its experts the wanted load; the mean square is 1.
 *
 * Logits of random rows are zero on average; a longer row's spread wider, so they are among the topK more often. No bias is needed that
 * a family may not have. `zipf`: the load falls as 1 / rank, in an order of experts that the seed decides, but is at most 45 % of tokens.
 */
export function routerRowScales(numExperts: number, topK: number, skew: Skew, seed: number): Float32Array {
  if (skew === "uniform") return new Float32Array(numExperts).fill(1)
  const loads = zipfLoads(numExperts, topK)
  const order = shuffled(numExperts, seed)
  const scales = new Float32Array(numExperts)
  // A normal logit of deviation s exceeds 1 with the wanted probability.
  loads.forEach((load, rank) => (scales[order[rank]!] = 1 / upperQuantile(load)))
  const meanSquare = scales.reduce((sum, scale) => sum + scale * scale, 0) / numExperts
  return scales.map((scale) => scale / Math.sqrt(meanSquare))
}

/** Shares of tokens by rank, `min(0.45, c / rank)`, with c such that they sum to topK. */
function zipfLoads(numExperts: number, topK: number): number[] {
  const most = Math.max(MOST_LOAD, topK / numExperts)
  const loadsOf = (c: number): number[] =>
    Array.from({ length: numExperts }, (_, rank) => Math.min(most, c / (rank + 1)))
  let low = 0
  let high = numExperts
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2
    if (loadsOf(middle).reduce((sum, load) => sum + load, 0) < topK) low = middle
    else high = middle
  }
  return loadsOf(high)
}

/**
 * Returns what a standard normal number exceeds with probability `p`, 0 < p < 0.5, within 0.00045.
 *
 * @see Abramowitz and Stegun, Handbook of Mathematical Functions, 26.2.23
 */
function upperQuantile(p: number): number {
  const t = Math.sqrt(-2 * Math.log(Math.min(p, 0.499)))
  return t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)))
}

function shuffled(length: number, seed: number): Uint32Array {
  const random = createRandom(seed)
  return shuffle(
    Uint32Array.from({ length }, (_, i) => i),
    random,
  )
}

/** Parses `--skew`; uniform where it is absent. @throws Error on another word */
export function parseSkew(text = "uniform"): Skew {
  if (text === "uniform" || text === "zipf") return text
  throw new Error(`--skew ${text}: expected uniform or zipf`)
}
