import { wordsOf } from "../features/hashGrams.ts"
import type { RequestRouter, RoutedRequest } from "../RequestRouter.ts"
import { createScorer, type ReadRequest } from "./createScorer.ts"
import type { RouterWeights } from "./RouterWeights.ts"
import { scoresOf } from "./scoresOf.ts"

/** A router whose knowledge can be looked at. */
export interface LearnedRouter extends RequestRouter {
  readonly weights: RouterWeights
  /** Everything of a request that it looks at. */
  read(request: RoutedRequest): ReadRequest
  /** Logits over the temperature, `[E]`, as gating's `route` takes them: a softmax makes scores of them. */
  logits(read: ReadRequest): Float32Array
}

/** Words that an explanation tries to leave out. */
const MOST_WORDS = 32
const MOST_NAMED = 3

/** Makes a router of trained weights. Scores are probabilities; nothing is kept between requests. */
export function createLearnedRouter(weights: RouterWeights): LearnedRouter {
  const { experts, output, embeddingSize, temperature } = weights
  const { read, logits } = createScorer(weights)
  const score = (request: RoutedRequest): Float32Array => scoresOf(logits(read(request)), output, temperature)
  return {
    weights,
    read,
    experts,
    ...(embeddingSize > 0 && { embeddingSize }),
    score,
    logits: (seen) => logits(seen).map((logit) => logit / temperature),
    explain: (request) => explain(request, experts, score),
  }
}

/** Names the words without which the best expert would be worth least. */
function explain(
  request: RoutedRequest,
  experts: readonly string[],
  score: (request: RoutedRequest) => Float32Array,
): string {
  const scores = score(request)
  const best = scores.indexOf(Math.max(...scores))
  const words = wordsOf(request.text).slice(0, MOST_WORDS)
  const named = words
    .map((word, i) => ({ word, without: score({ ...request, text: words.toSpliced(i, 1).join(" ") })[best]! }))
    .filter(({ without }) => without < scores[best]!)
    .sort((a, b) => a.without - b.without)
    .slice(0, MOST_NAMED)
    .map(({ word }) => JSON.stringify(word))
  const reason = named.length === 0 ? "" : `, above all for ${named.join(", ")}`
  return `${experts[best]} ${(100 * scores[best]!).toFixed(0)} %${reason}`
}
