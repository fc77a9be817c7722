import { wordsOf } from "../features/hashGrams.ts"
import type { RoutedRequest } from "../RequestRouter.ts"
import { RouterError } from "../RouterError.ts"
import { compilePattern } from "./compilePattern.ts"

/** When a request is an expert's whatever any router says: everything that it names holds. */
export interface RoutingRule {
  /** One of these words or phrases stands in the text, in either case, and not as a part of a word. */
  readonly keywords?: readonly string[]
  /** A regular expression that the text matches, in either case. */
  readonly pattern?: string
  readonly hasTools?: boolean
  readonly hasImages?: boolean
  /** Bounds of the whole conversation's length, in tokens. */
  readonly leastTokens?: number
  readonly mostTokens?: number
}

/** Whose rule holds, and by what. */
export interface FoundRule {
  /** In the list of rules. */
  readonly place: number
  /** In words, for people. */
  readonly reason: string
}

/** The beginning decides, as for every router. */
const MOST_MATCHED = 8000

/** Returns why it holds, undefined where it does not. */
type Check = (request: RoutedRequest) => string | undefined

/**
 * Returns what finds the first rule that holds for a request, in time that is linear in its text.
 *
 * @param rules by place; undefined for none
 * @throws RouterError on a rule without a condition, or with a pattern that cannot be
 */
export function createRuleFinder(
  rules: readonly (RoutingRule | undefined)[],
): (request: RoutedRequest) => FoundRule | undefined {
  const compiled = rules.map((rule) => rule && compileRule(rule))
  return (request) => {
    for (const [place, check] of compiled.entries()) {
      const reason = check?.(request)
      if (reason !== undefined) return { place, reason }
    }
    return undefined
  }
}

function compileRule(rule: RoutingRule): Check {
  const checks = checksOf(rule)
  if (checks.length === 0) throw new RouterError("expected a condition, found none: it would take every request")
  return (request) => {
    const reasons: string[] = []
    for (const check of checks) {
      const reason = check(request)
      if (reason === undefined) return undefined
      reasons.push(reason)
    }
    return reasons.join(", ")
  }
}

function checksOf({ keywords, pattern, hasTools, hasImages, leastTokens, mostTokens }: RoutingRule): Check[] {
  const checks: Check[] = []
  const when = (holds: boolean, reason: string): string | undefined => (holds ? reason : undefined)
  if (hasTools !== undefined)
    checks.push((request) => when(request.hasTools === hasTools, hasTools ? "it has tools" : "it has no tools"))
  if (hasImages !== undefined) {
    const reason = hasImages ? "it has images" : "it has no images"
    checks.push(({ numImages }) => when(numImages > 0 === hasImages, reason))
  }
  if (leastTokens !== undefined || mostTokens !== undefined) {
    const [low, high] = [leastTokens ?? 0, mostTokens ?? Number.POSITIVE_INFINITY]
    checks.push(({ numTokens = 0 }) => when(numTokens >= low && numTokens <= high, `its ${numTokens} tokens`))
  }
  if (keywords !== undefined) {
    const phrases = keywords.map((phrase) => ({ phrase, words: ` ${wordsOf(phrase).join(" ")} ` }))
    checks.push(({ text }) => {
      const words = ` ${wordsOf(text).join(" ")} `
      const found = phrases.find((one) => one.words.trim() !== "" && words.includes(one.words))
      return found && `the words ${JSON.stringify(found.phrase)}`
    })
  }
  if (pattern !== undefined) {
    const matches = compilePattern(pattern)
    checks.push(({ text }) => when(matches(text.slice(0, MOST_MATCHED)), `the pattern ${pattern}`))
  }
  return checks
}
