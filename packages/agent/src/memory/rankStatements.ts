import { cosine } from "../words/cosine.ts"
import { fuseRanks } from "../words/fuseRanks.ts"
import { sharedPart } from "../words/sharedPart.ts"
import { stemOf } from "../words/stemOf.ts"
import { termsOf } from "../words/termsOf.ts"
import { isQuestion } from "./factsIn.ts"

/** A sentence of a user's. */
export interface Statement {
  readonly id: number
  readonly text: string
  /** Of a fact; undefined for all else that was said. */
  readonly kind: string | undefined
  readonly atMs: number
  /** `[D]`; undefined without an embedder. */
  readonly vector: Float32Array | undefined
}

export interface RankRequest {
  readonly text: string
  readonly vector: Float32Array | undefined
  readonly nowMs: number
}

/** BM25: how soon more of a word stops to count, and how much long sentences lose. */
const K1 = 1.2
const B = 0.75
/** Part of a statement's relevance that is left after an hour. @see Park et al.: Generative Agents, arXiv:2304.03442 §4.1 */
const HOURLY = 0.995
/** How much of the score fades: what was told long ago still counts half. */
const FADING = 0.5
const HOUR_MS = 3_600_000
/** What is known of a user is worth something whatever is asked; an earlier question says little. */
const FACT_SCORE = 0.15
const QUESTION_PART = 0.5
/** Places of each ranking that are fused. By meaning, everything is a little near. */
const NUM_BY_WORDS = 20
const NUM_BY_MEANING = 5
/** Weight of being relevant against being unlike what is already chosen. @see Carbonell & Goldstein: MMR, SIGIR 1998 */
const MMR_LAMBDA = 0.7
/** More are not worth choosing between. */
const MOST_CHOSEN = 24

/**
 * Ranks a user's statements for what the user says now, best first: words (BM25) and meaning fused by rank, fading with age, each unlike those
 * before it.
 *
 * Sentences that share nothing with the request are left out; facts are not.
 */
export function rankStatements(statements: readonly Statement[], request: RankRequest): Statement[] {
  const terms = statements.map(({ text }) => stemsOf(text))
  const words = bm25(terms, new Set(stemsOf(request.text))).map((score, i) =>
    isQuestion(statements[i]!.text) ? QUESTION_PART * score : score,
  )
  const nearness = statements.map(({ vector }) =>
    vector === undefined || request.vector === undefined ? 0 : cosine(vector, request.vector),
  )
  const fused = fuseRanks([bestFirst(words).slice(0, NUM_BY_WORDS), bestFirst(nearness).slice(0, NUM_BY_MEANING)])
  const best = Math.max(...fused.values(), 0)
  const candidates = statements.flatMap((statement, i) => {
    const relevance = best === 0 ? 0 : (fused.get(i) ?? 0) / best
    const fact = statement.kind === undefined ? 0 : FACT_SCORE
    if (relevance + fact === 0) return []
    const hours = Math.max(0, request.nowMs - statement.atMs) / HOUR_MS
    return [
      { statement, terms: new Set(terms[i]!), score: (relevance + fact) * (1 - FADING + FADING * HOURLY ** hours) },
    ]
  })
  return diverse(candidates).map(({ statement }) => statement)
}

interface Candidate {
  readonly statement: Statement
  readonly terms: ReadonlySet<string>
  readonly score: number
}

function diverse(candidates: readonly Candidate[]): Candidate[] {
  const left = candidates.map((candidate) => ({ candidate, likeness: 0 }))
  const chosen: Candidate[] = []
  while (left.length > 0 && chosen.length < MOST_CHOSEN) {
    const worth = ({ candidate, likeness }: (typeof left)[number]): number =>
      MMR_LAMBDA * candidate.score - (1 - MMR_LAMBDA) * likeness
    const place = left.reduce((best, one, i) => (worth(one) > worth(left[best]!) ? i : best), 0)
    const [{ candidate }] = left.splice(place, 1) as [(typeof left)[number]]
    chosen.push(candidate)
    for (const other of left)
      other.likeness = Math.max(other.likeness, sharedPart(other.candidate.terms, candidate.terms))
  }
  return chosen
}

/** Returns the places of scores above 0, best first. */
function bestFirst(scores: readonly number[]): number[] {
  const places = [...scores.keys()].filter((place) => scores[place]! > 0)
  return places.sort((a, b) => scores[b]! - scores[a]! || a - b)
}

function stemsOf(text: string): string[] {
  return termsOf(text).map(stemOf)
}

function bm25(documents: readonly (readonly string[])[], asked: ReadonlySet<string>): number[] {
  const frequency = new Map<string, number>()
  for (const terms of documents)
    for (const term of new Set(terms)) if (asked.has(term)) frequency.set(term, (frequency.get(term) ?? 0) + 1)
  const meanLength = documents.reduce((sum, { length }) => sum + length, 0) / Math.max(1, documents.length)
  return documents.map((terms) => {
    let score = 0
    for (const term of asked) {
      const count = terms.reduce((sum, other) => sum + Number(other === term), 0)
      if (count === 0) continue
      const n = frequency.get(term)!
      const rarity = Math.log(1 + (documents.length - n + 0.5) / (n + 0.5))
      score += (rarity * count * (K1 + 1)) / (count + K1 * (1 - B + (B * terms.length) / meanLength))
    }
    return score
  })
}
