import { findLargest } from "./findLargest.ts"

/** What the model itself thinks of a token: before penalties, temperature and the rest. */
export interface TokenLogProbs {
  /** Natural logarithm of the token's probability. */
  readonly logProb: number
  /** The best alternatives, best first, ties to the lower id. */
  readonly top: readonly (readonly [id: number, logProb: number])[]
}

/** Returns the log-probability of `id` and those of the `numTop` best ids. */
export function describeToken(logits: Float32Array, id: number, numTop: number): TokenLogProbs {
  const logSum = logSumExp(logits)
  const top = best(logits, numTop).map((other) => [other, logits[other]! - logSum] as const)
  return { logProb: logits[id]! - logSum, top }
}

/** Ids of the `n` largest. */
function best(logits: Float32Array, n: number): number[] {
  const ids: number[] = []
  for (let id = 0; id < logits.length; id++) {
    const value = logits[id]!
    if (ids.length === n && !(value > logits[ids[n - 1]!]!)) continue
    let place = ids.length
    while (place > 0 && logits[ids[place - 1]!]! < value) place--
    ids.splice(place, 0, id)
    if (ids.length > n) ids.pop()
  }
  return ids
}

function logSumExp(logits: Float32Array): number {
  const largest = logits[findLargest(logits)]!
  let sum = 0
  for (let id = 0; id < logits.length; id++) sum += Math.exp(logits[id]! - largest)
  return largest + Math.log(sum)
}
