/** How complex a request is, where nobody has trained a router to say it: signs that a reader can count. Pure. */
import { estimateTokens } from "./estimateCost.ts"

export interface Complexity {
  /** 0 to 1. */
  readonly value: number
  /** What makes it so, in words. */
  readonly why: string
}

/** The signs' shares: together 1. */
const LENGTH_WEIGHT = 0.4
const PARTS_WEIGHT = 0.3
const NEAR_WEIGHT = 0.3
/** From so many on, a sign counts in full. */
const MANY_TOKENS = 400
const MANY_PARTS = 4
const MANY_NEAR = 2
/** An expert is near the best from this share of its score on. */
const NEAR_SHARE = 0.8
/** The beginning is enough: this many characters have many tokens. */
const MOST_TEXT = 20_000
/** `？` and `؟` end a question without a space; `?` in the middle of an address ends none. */
const QUESTION = /\?(?!\?)(?=["'”’)\]]*(?:\s|$))|[？؟]+/gu
const ITEM = /^\s*(?:[-*•]\s|\d{1,2}[.)]\s|\d{1,2}、|[a-z]\)\s)/u

/**
 * Measures `0.4 · min(1, tokens / 400) + 0.3 · min(1, (parts − 1) / 3) + 0.3 · min(1, near / 2)`.
 *
 * Parts are questions and items of lists; near are experts beside the best whose scores come to 80 % of its own. Where nobody reaches `leastScore`
 * nobody is near: that no expert stands out makes a request the generalist's, not a hard one.
 *
 * @param text the latest message
 * @param scores `[E]` of the first stage
 */
export function measureComplexity(text: string, scores: ArrayLike<number>, leastScore: number): Complexity {
  const numTokens = estimateTokens(text)
  const numParts = countParts(text.slice(0, MOST_TEXT))
  const numNear = countNear(scores, leastScore)
  const value =
    LENGTH_WEIGHT * Math.min(1, numTokens / MANY_TOKENS) +
    PARTS_WEIGHT * Math.min(1, Math.max(0, numParts - 1) / (MANY_PARTS - 1)) +
    NEAR_WEIGHT * Math.min(1, numNear / MANY_NEAR)
  return {
    value,
    why: `about ${numTokens} tokens, questions and items: ${numParts}, experts near the best: ${numNear}`,
  }
}

/** An item that is a question is one part. */
function countParts(text: string): number {
  return text
    .split("\n")
    .reduce((sum, line) => sum + Math.max([...line.matchAll(QUESTION)].length, ITEM.test(line) ? 1 : 0), 0)
}

function countNear(scores: ArrayLike<number>, leastScore: number): number {
  const sorted = Array.from(scores).sort((a, b) => b - a)
  const least = Math.max(leastScore, NEAR_SHARE * (sorted[0] ?? 0))
  return Math.max(0, sorted.filter((score) => score >= least && score > 0).length - 1)
}
