import type { ChatMessage } from "@consilium/serving"
import type { Contender } from "./Contender.ts"
import { percentile } from "./percentile.ts"

/** How a contender does with so many clients, each of which asks again as soon as it is answered. */
export interface ConcurrencyLevel {
  readonly numStreams: number
  readonly p95Ms: number
  readonly answersPerSec: number
}

export interface Concurrency {
  /** In the order in which they were measured. */
  readonly levels: readonly ConcurrencyLevel[]
  /** That with most streams whose p95 keeps the bound; undefined where one stream does not keep it. */
  readonly best: ConcurrencyLevel | undefined
}

export interface ConcurrencyOptions {
  readonly numTokens: number
  readonly boundMs: number
  readonly mostStreams: number
  /** Answers that a client waits for at each level. */
  readonly rounds: number
}

/** A level fails when it has failed so often: a machine that somebody shares stumbles now and then. */
const TRIES = 2

/**
 * Finds for each contender the most streams at which 95 % of answers come within a bound. They take turns, level by level, so that what else the
 * machine does meets all of them.
 *
 * All that is asked is counted, the first answers of a level too.
 */
export async function measureConcurrency(
  contenders: readonly Contender[],
  prompts: readonly (readonly ChatMessage[])[],
  options: ConcurrencyOptions,
): Promise<readonly Concurrency[]> {
  const searches = contenders.map((contender) => findMostStreams(contender, prompts, options))
  const found: Concurrency[] = []
  for (let numOpen = searches.length; numOpen > 0;) {
    for (const [i, search] of searches.entries()) {
      if (found[i] !== undefined) continue
      const step = await search.next()
      if (step.done !== true) continue
      found[i] = step.value
      numOpen--
    }
  }
  return found
}

/** Doubles the streams until the bound is not kept, then halves the gap twice; a step is a level. */
async function* findMostStreams(
  contender: Contender,
  prompts: readonly (readonly ChatMessage[])[],
  options: ConcurrencyOptions,
): AsyncGenerator<void, Concurrency> {
  const { boundMs, mostStreams } = options
  const levels: ConcurrencyLevel[] = []
  async function* keeps(numStreams: number): AsyncGenerator<void, boolean> {
    for (let left = TRIES; left > 0; left--) {
      const level = await runLevel(contender, prompts, numStreams, options)
      levels.push(level)
      if (level.p95Ms <= boundMs) return true
      yield
    }
    return false
  }
  let good = 0
  let bad = Number.POSITIVE_INFINITY
  for (let numStreams = 1; numStreams <= mostStreams && bad === Number.POSITIVE_INFINITY; numStreams *= 2) {
    if (yield* keeps(numStreams)) good = numStreams
    else bad = numStreams
    yield
  }
  for (let i = 0; i < 2 && bad !== Number.POSITIVE_INFINITY && bad - good > 1; i++) {
    const middle = Math.round((good + bad) / 2)
    if (yield* keeps(middle)) good = middle
    else bad = middle
    yield
  }
  return { levels, best: levels.findLast(({ numStreams }) => numStreams === good) }
}

async function runLevel(
  contender: Contender,
  prompts: readonly (readonly ChatMessage[])[],
  numStreams: number,
  { numTokens, rounds }: ConcurrencyOptions,
): Promise<ConcurrencyLevel> {
  const times: number[] = []
  const began = performance.now()
  let next = 0
  const client = async (): Promise<void> => {
    for (let round = 0; round < rounds; round++) {
      const { ms } = await contender.answer(prompts[next++ % prompts.length]!, numTokens)
      times.push(ms)
    }
  }
  await Promise.all(Array.from({ length: numStreams }, client))
  const seconds = (performance.now() - began) / 1000
  return { numStreams, p95Ms: percentile(times, 0.95), answersPerSec: times.length / seconds }
}
