import type { LedgerEntry } from "../ledger/LedgerEntry.ts"
import type { ModelShape } from "../model/ModelShape.ts"
import { type TokenPrice, tokenCostUsd } from "../TokenPrice.ts"
import { bootstrapSaving, type Interval, type SumPair } from "./bootstrap.ts"
import { denseFactors, median, type PickSample, type SparseRates } from "./denseFactors.ts"

/** What was saved against something else, with its error bar over requests. */
export interface Saving {
  /** Requests that were answered: others would have been answered by neither. */
  readonly numRequests: number
  readonly actualUsd: number
  readonly insteadUsd: number
  /** Share of `insteadUsd`; below 0 it would have been cheaper. */
  readonly saved: Interval
}

/** Error bars are the same each time. */
const SEED = 6

interface AnsweredRequest {
  /** Of all its attempts. */
  readonly actualUsd: number
  /** The attempts that gave answers. */
  readonly answers: readonly LedgerEntry[]
}

function answeredRequests(entries: Iterable<LedgerEntry>): AnsweredRequest[] {
  const byId = new Map<string, LedgerEntry[]>()
  for (const entry of entries) {
    const attempts = byId.get(entry.requestId)
    if (attempts === undefined) byId.set(entry.requestId, [entry])
    else attempts.push(entry)
  }
  return [...byId.values()].flatMap((attempts) => {
    const answers = attempts.filter(({ outcome }) => outcome === "done")
    const actualUsd = attempts.reduce((sum, { costUsd }) => sum + costUsd, 0)
    return answers.length === 0 ? [] : [{ actualUsd, answers }]
  })
}

/** Returns the dearest price among entries, by a million tokens of answers, then of prompts; undefined where there are none. */
export function strongestPrice(entries: Iterable<LedgerEntry>): TokenPrice | undefined {
  let best: TokenPrice | undefined
  for (const { price } of entries) {
    const isDearer =
      best === undefined ||
      price.outputUsdPerMillion > best.outputUsdPerMillion ||
      (price.outputUsdPerMillion === best.outputUsdPerMillion && price.inputUsdPerMillion > best.inputUsdPerMillion)
    if (isDearer) best = price
  }
  return best
}

/**
 * Returns what was saved against sending every request to one model of that price, if it takes as many tokens; undefined where nothing would have been paid.
 *
 * Attempts that failed are paid for here and would not have been made there. Of several answers in one request (a consultation) the longest is what it would have said.
 */
export function savedAgainstStrongest(entries: Iterable<LedgerEntry>, strongest: TokenPrice): Saving | undefined {
  const pairs = answeredRequests(entries).map(({ actualUsd, answers }): SumPair => {
    const longest = answers.reduce((a, b) => (b.generatedTokens > a.generatedTokens ? b : a))
    return [actualUsd, tokenCostUsd(longest, strongest)]
  })
  return savingOf(pairs, () => pairs)
}

/**
 * Returns what was saved against a dense model of the same size on the same machine, where a token's price is its machine time; undefined where nothing was paid.
 *
 * The error bar is of requests and of the measured rates together.
 *
 * @param entries of the model whose shape is given
 */
export function savedAgainstDense(
  entries: Iterable<LedgerEntry>,
  shape: ModelShape,
  rates: SparseRates | undefined,
): Saving | undefined {
  const requests = answeredRequests(entries).map(({ actualUsd, answers }) => ({
    actualUsd,
    parts: answers.map(partsOf),
  }))
  const pairsBy = (pick: PickSample): SumPair[] => {
    const { prompt, generated } = denseFactors(shape, rates, pick)
    return requests.map(({ actualUsd, parts }) => {
      let insteadUsd = 0
      for (const part of parts) insteadUsd += part.promptUsd * prompt + part.generatedUsd * generated(part.numTogether)
      return [actualUsd, insteadUsd]
    })
  }
  return savingOf(pairsBy(median), (random) => pairsBy((samples) => samples[Math.floor(random() * samples.length)]!))
}

function partsOf(entry: LedgerEntry) {
  const promptUsd = tokenCostUsd({ ...entry, generatedTokens: 0 }, entry.price)
  return { promptUsd, generatedUsd: tokenCostUsd(entry, entry.price) - promptUsd, numTogether: entry.numTogether }
}

function savingOf(pairs: readonly SumPair[], draw: (random: () => number) => readonly SumPair[]): Saving | undefined {
  const insteadUsd = pairs.reduce((sum, [, instead]) => sum + instead, 0)
  if (!(insteadUsd > 0)) return undefined
  return {
    numRequests: pairs.length,
    actualUsd: pairs.reduce((sum, [actual]) => sum + actual, 0),
    insteadUsd,
    saved: bootstrapSaving(draw, pairs, SEED),
  }
}
