import type { SamplingParams } from "../SamplingParams.ts"
import { type Draw, drawUniform } from "./drawUniform.ts"
import { keepTopK, keepTopP } from "./keepBest.ts"
import { penalize } from "./penalize.ts"
import type { History, SamplingScratch } from "./SamplingScratch.ts"

export interface SampledToken {
  readonly id: number
  /** Natural logarithm of the token's probability by the model itself: before penalties, temperature and the rest. */
  readonly logProb: number
  /** The best alternatives by the model itself, best first. */
  readonly top: readonly (readonly [id: number, logProb: number])[]
}

/** Chooses tokens; holds its buffers, so that a token costs no allocation that grows with the vocabulary. */
export interface Sampler {
  /** Writes the probabilities that a token is drawn from, `[V]`, zero where it is not kept. */
  probabilities(out: Float64Array, logits: Float32Array, history: History, params: SamplingParams): void
  /**
   * Chooses the next token.
   *
   * @param numTop best alternatives to report; undefined reports no log-probabilities (`logProb` is NaN)
   * @throws Error on logits that are not finite: a fault upstream
   */
  sample(
    logits: Float32Array,
    history: History,
    params: SamplingParams,
    draw: Draw,
    numTop: number | undefined,
  ): SampledToken
}

/**
 * Creates a sampler for a vocabulary.
 *
 * The order is transformers': bias, repetition, presence and frequency penalties, temperature, top-k, top-p, min-p.
 */
export function createSampler(vocabSize: number): Sampler {
  const scratch: SamplingScratch = {
    scores: new Float64Array(vocabSize),
    ids: new Int32Array(vocabSize),
    counts: new Int32Array(vocabSize),
  }

  /** Leaves weights (not yet normalised) in `scores` for the kept ids; returns how many and their sum. */
  const weigh = (logits: Float32Array, history: History, params: SamplingParams): { count: number; sum: number } => {
    const { scores, ids } = scratch
    scores.set(logits)
    penalize(scratch, history, params)
    const { temperature, topK, topP, minP } = params
    if (temperature === 0) {
      ids[0] = indexOfLargest(scores)
      scores[ids[0]] = 1
      return { count: 1, sum: 1 }
    }

    const largest = scores[indexOfLargest(scores)]!
    for (let id = 0; id < vocabSize; id++) {
      ids[id] = id
      // The best one becomes 0 first, so that no temperature is too low to divide by.
      scores[id] = (scores[id]! - largest) / temperature
    }
    let count = topK > 0 && topK < vocabSize ? keepTopK(scratch, topK) : vocabSize
    let sum = 0
    for (let i = 0; i < count; i++) sum += scores[ids[i]!] = Math.exp(scores[ids[i]!]!)
    if (topP < 1) ({ count, sum } = keepTopP(scratch, count, sum, topP))
    if (minP > 0) ({ count, sum } = keepAtLeast(scratch, count, minP))
    return { count, sum }
  }

  return {
    probabilities(out, logits, history, params) {
      const { count, sum } = weigh(logits, history, params)
      out.fill(0)
      for (let i = 0; i < count; i++) {
        const id = scratch.ids[i]!
        out[id] = scratch.scores[id]! / sum
      }
    },
    sample(logits, history, params, draw, numTop) {
      checkFinite(logits)
      const { count, sum } = weigh(logits, history, params)
      const id = count === 1 ? scratch.ids[0]! : pick(scratch, count, sum * drawUniform(draw))
      if (numTop === undefined) return { id, logProb: Number.NaN, top: [] }
      const logSum = logSumExp(logits)
      const top = best(logits, numTop).map((other) => [other, logits[other]! - logSum] as const)
      return { id, logProb: logits[id]! - logSum, top }
    },
  }
}

/** Keeps ids with at least `minP` of the best one's weight, which is 1 or less. */
function keepAtLeast({ scores, ids }: SamplingScratch, count: number, minP: number): { count: number; sum: number } {
  let largest = 0
  for (let i = 0; i < count; i++) largest = Math.max(largest, scores[ids[i]!]!)
  let kept = 0
  let sum = 0
  for (let i = 0; i < count; i++) {
    const id = ids[i]!
    if (scores[id]! < minP * largest) continue
    ids[kept++] = id
    sum += scores[id]!
  }
  return { count: kept, sum }
}

function pick({ scores, ids }: SamplingScratch, count: number, target: number): number {
  let sum = 0
  for (let i = 0; i < count; i++) {
    sum += scores[ids[i]!]!
    if (sum > target) return ids[i]!
  }
  return ids[count - 1]!
}

function indexOfLargest(values: Float64Array): number {
  let best = 0
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i
  return best
}

/** Ids of the `n` largest, best first, ties to the lower id. */
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
  let largest = Number.NEGATIVE_INFINITY
  for (let id = 0; id < logits.length; id++) largest = Math.max(largest, logits[id]!)
  let sum = 0
  for (let id = 0; id < logits.length; id++) sum += Math.exp(logits[id]! - largest)
  return largest + Math.log(sum)
}

function checkFinite(logits: Float32Array): void {
  for (let id = 0; id < logits.length; id++) {
    if (!Number.isFinite(logits[id])) throw new Error(`logits are not finite: id ${id} has ${logits[id]}`)
  }
}
