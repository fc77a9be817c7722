import type { MemoryTurn } from "./MemoryTurn.ts"
import type { Statement } from "./rankStatements.ts"

/** Parts of a recall's budget. */
export interface Shares {
  readonly turnTokens: number
  readonly factTokens: number
  readonly summaryTokens: number
}

type CountTokens = (text: string) => number

/** Where all turns fit into so much of the budget, there is no summary. */
const ALL_TURNS_PART = 0.7
const TURNS_PART = 0.45
const SUMMARY_PART = 0.25
/** More facts than this would only drown what matters. */
const MOST_FACTS_PART = 0.5

/**
 * Divides a recall's budget between turns, facts and a summary; together they never pass it.
 *
 * @param isAll whether there are no turns before the latest
 */
export function planShares(
  latest: readonly MemoryTurn[],
  isAll: boolean,
  budgetTokens: number,
  countTokens: CountTokens,
): Shares {
  const numTokens = latest.reduce((sum, turn) => sum + turnTokens(turn, countTokens), 0)
  const fits = isAll && numTokens <= ALL_TURNS_PART * budgetTokens
  const turns = fits ? numTokens : TURNS_PART * budgetTokens
  const summaryTokens = fits ? 0 : Math.floor(SUMMARY_PART * budgetTokens)
  const factTokens = Math.min(MOST_FACTS_PART * budgetTokens, budgetTokens - turns - summaryTokens)
  return { turnTokens: turns, factTokens, summaryTokens }
}

/** Returns the latest turns that fit, whole, oldest first. */
export function chooseTurns(
  latest: readonly MemoryTurn[],
  budgetTokens: number,
  countTokens: CountTokens,
): MemoryTurn[] {
  let numTokens = 0
  let first = latest.length
  while (first > 0) {
    numTokens += turnTokens(latest[first - 1]!, countTokens)
    if (numTokens > budgetTokens) break
    first--
  }
  return latest.slice(first)
}

/** Returns the texts of the best statements that fit, best first, none twice. */
export function chooseFacts(ranked: readonly Statement[], budgetTokens: number, countTokens: CountTokens): string[] {
  const facts = new Set<string>()
  let numTokens = 0
  for (const { text } of ranked) {
    const cost = countTokens(text)
    if (facts.has(text) || numTokens + cost > budgetTokens) continue
    facts.add(text)
    numTokens += cost
  }
  return [...facts]
}

function turnTokens({ user, answer }: MemoryTurn, countTokens: CountTokens): number {
  return countTokens(user) + countTokens(answer)
}
