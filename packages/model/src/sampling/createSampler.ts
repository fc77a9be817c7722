import type { SamplingParams } from "../SamplingParams.ts"
import { describeToken, type TokenLogProbs } from "./describeToken.ts"
import { type Draw, drawUniform } from "./drawUniform.ts"
import { findLargest } from "./findLargest.ts"
import { keepAtLeast, keepTopK, keepTopP } from "./keepBest.ts"
import { isPenalized, penalize } from "./penalize.ts"
import type { History, SamplingScratch } from "./SamplingScratch.ts"

/** Chooses tokens; holds its buffers, so that a token costs no allocation that grows with the vocabulary. */
export interface Sampler {
  /** Writes the probabilities that a token is drawn from, `[V]`, zero where it is not kept. */
  probabilities(out: Float64Array, logits: Float32Array, history: History, params: SamplingParams): void
  /** Returns the next token's id. @throws Error on logits that are not finite: a fault upstream */
  sample(logits: Float32Array, history: History, params: SamplingParams, draw: Draw): number
  /** Returns what `sample` would of the whole row. @throws Error on a largest logit that is not finite */
  sampleBest(best: Shortlist, params: SamplingParams, draw: Draw): number
  /** Returns what the model itself thinks of a token, with its `numTop` best alternatives. */
  describe(logits: Float32Array, id: number, numTop: number): TokenLogProbs
}

/**
 * Ids are *near* when their weight is at least e^-16 (1e-7) of the best one's. What lies further is weighed only where the choice depends
 * on it: in a large vocabulary that is most of the work, and one token in thousands.
 */
const REACH = 16

/** The first `count` ids are still in and weigh `sum` together; all that were not weighed weigh `rest` at most. */
interface Weighed {
  readonly count: number
  readonly sum: number
  readonly rest: number
}

/** A row's largest logits, best first, and their ids. */
export interface Shortlist {
  readonly values: Float32Array
  readonly ids: Float32Array
}

/** Ids of a short list: a few hundred bytes, and more than most who limit `topK` ask for. */
export const SHORTLIST_LENGTH = 64

/** Whether a row's short list is all that a choice depends on. */
export function fitsShortlist(params: SamplingParams): boolean {
  const { temperature, topK } = params
  return !isPenalized(params) && (temperature === 0 || (topK > 0 && topK < SHORTLIST_LENGTH))
}

/**
 * Creates a sampler for a vocabulary.
 *
 * The order is transformers': bias, repetition, presence and frequency penalties, temperature, top-k, top-p, min-p.
 */
export function createSampler(vocabSize: number): Sampler {
  const scratch: SamplingScratch = {
    values: new Float32Array(vocabSize),
    scores: new Float64Array(vocabSize),
    ids: new Int32Array(vocabSize),
    counts: new Int32Array(vocabSize),
  }

  /** Returns logits after bias and penalties: where there are none, the very ones that were given. */
  const penalized = (logits: Float32Array, history: History, params: SamplingParams): Float32Array => {
    if (!isPenalized(params)) return logits
    scratch.values.set(logits)
    penalize(scratch, history, params)
    return scratch.values
  }

  /** Weighs the near ids, or all of them, near ones first, and keeps the best; undefined where what is kept depends on those that are not weighed. */
  const weigh = (
    values: Float32Array,
    largest: number,
    params: SamplingParams,
    areAllWeighed: boolean,
  ): Weighed | undefined => {
    const { temperature } = params
    const { scores, ids } = scratch
    const numNear = collect(scratch, values, largest - REACH * temperature, areAllWeighed)
    const count = areAllWeighed ? vocabSize : numNear
    // The best one becomes 0 first, so that no temperature is too low to divide by.
    for (let i = 0; i < count; i++) scores[ids[i]!] = (values[ids[i]!]! - largest) / temperature
    return keepBest(count, vocabSize - count, params)
  }

  /** Keeps the best of the first `count` ids by their scores; `numLeft` more were not looked at, and are far from the best. */
  const keepBest = (count: number, numLeft: number, { topK, topP, minP }: SamplingParams): Weighed | undefined => {
    const { scores, ids } = scratch
    const most = Math.exp(-REACH)
    let rest = numLeft * most
    if (topK > 0 && topK < vocabSize) {
      if (rest > 0 && count < topK) return undefined
      count = keepTopK(scratch, count, topK)
      rest = 0
    }
    let sum = 0
    for (let i = 0; i < count; i++) sum += scores[ids[i]!] = Math.exp(scores[ids[i]!]!)
    if (topP < 1) {
      const whole = sum + rest
      ;({ count, sum } = keepTopP(scratch, count, sum, topP))
      if (rest > 0 && sum < topP * whole) return undefined
      rest = 0
    }
    if (minP > 0) {
      if (rest > 0 && minP < most) return undefined
      ;({ count, sum } = keepAtLeast(scratch, count, minP))
      rest = 0
    }
    return { count, sum, rest }
  }

  /** Returns the id at `share` of all weights; undefined where it depends on those that are not weighed. */
  const pick = ({ count, sum, rest }: Weighed, share: number): number | undefined => {
    const { scores, ids } = scratch
    let reached = 0
    for (let i = 0; i < count; i++) {
      reached += scores[ids[i]!]!
      if (reached > share * sum) return reached > share * (sum + rest) ? ids[i]! : undefined
    }
    return rest > 0 ? undefined : ids[count - 1]!
  }

  return {
    probabilities(out, logits, history, params) {
      const values = penalized(logits, history, params)
      const best = findLargest(values)
      out.fill(0)
      if (params.temperature === 0) return void (out[best] = 1)
      const { count, sum } = weigh(values, values[best]!, params, true)!
      for (let i = 0; i < count; i++) out[scratch.ids[i]!] = scratch.scores[scratch.ids[i]!]! / sum
    },
    sample(logits, history, params, draw) {
      const values = penalized(logits, history, params)
      const best = findLargest(values)
      if (params.temperature === 0) return best
      const share = drawUniform(draw)
      const near = weigh(values, values[best]!, params, false)
      const id = near && pick(near, share)
      return id ?? pick(weigh(values, values[best]!, params, true)!, share)!
    },
    sampleBest({ values, ids: bestIds }, params, draw) {
      const { temperature } = params
      const { scores, ids } = scratch
      const largest = values[0]!
      if (!Number.isFinite(largest)) throw new Error(`logits are not finite: the largest is ${largest}`)
      if (temperature === 0) return bestIds[0]!
      ids.set(bestIds)
      for (let i = 0; i < values.length; i++) scores[bestIds[i]!] = (values[i]! - largest) / temperature
      return pick(keepBest(values.length, 0, params)!, drawUniform(draw))!
    },
    describe: describeToken,
  }
}

/** Writes the ids of values from `floor` up, and after them the others where `areAllWanted`; returns how many the first are. */
function collect({ ids }: SamplingScratch, values: Float32Array, floor: number, areAllWanted: boolean): number {
  let numNear = 0
  for (let id = 0; id < values.length; id++) {
    // Every id is written, and stays where it counts: no branch that could be mispredicted.
    ids[numNear] = id
    numNear += values[id]! >= floor ? 1 : 0
  }
  if (!areAllWanted) return numNear
  let count = numNear
  for (let id = 0; id < values.length; id++) if (!(values[id]! >= floor)) ids[count++] = id
  return numNear
}
