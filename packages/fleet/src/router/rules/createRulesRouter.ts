import type { RequestRouter, RoutedRequest } from "../RequestRouter.ts"
import { RouterError } from "../RouterError.ts"
import { wordsOf } from "../features/hashGrams.ts"
import { compilePattern } from "./compilePattern.ts"

/** Sends requests to an expert if everything that it names holds. */
export interface RoutingRule {
  readonly expert: string
  /** One of these words or phrases stands in the text, in either case, and not as a part of a word. */
  readonly keywords?: readonly string[]
  /** A regular expression that the text matches, in either case. */
  readonly pattern?: string
  readonly hasTools?: boolean
  readonly hasImages?: boolean
  /** Bounds of the length, in characters. */
  readonly leastLength?: number
  readonly mostLength?: number
}

/** The beginning decides, as for every router. */
const MOST_MATCHED = 8000

type Check = (request: RoutedRequest) => string | undefined

/**
 * Puts rules before another router: the first rule that holds gives its expert all of the score; where none holds, the other router scores.
 *
 * @throws RouterError on a rule for an unknown expert, without a condition, or with a pattern that cannot be
 */
export function createRulesRouter(rules: readonly RoutingRule[], next: RequestRouter): RequestRouter {
  const { experts, embeddingSize } = next
  const compiled = rules.map((rule, i) => compileRule(rule, `rule ${i + 1}`, experts))
  const find = (request: RoutedRequest) => {
    for (const rule of compiled) {
      const reason = rule.matches(request)
      if (reason !== undefined) return { place: rule.place, reason }
    }
    return undefined
  }
  return {
    experts,
    ...(embeddingSize !== undefined && { embeddingSize }),
    score(request) {
      const found = find(request)
      if (found === undefined) return next.score(request)
      const scores = new Float32Array(experts.length)
      scores[found.place] = 1
      return scores
    },
    explain(request) {
      const found = find(request)
      if (found === undefined) return next.explain?.(request) ?? ""
      return `${experts[found.place]} by a rule: ${found.reason}`
    },
  }
}

function compileRule(
  rule: RoutingRule,
  name: string,
  experts: readonly string[],
): { readonly place: number; readonly matches: Check } {
  const place = experts.indexOf(rule.expert)
  if (place < 0)
    throw new RouterError(`${name}: expected one of ${experts.join(", ")}, found ${JSON.stringify(rule.expert)}`)
  const checks = checksOf(rule)
  if (checks.length === 0)
    throw new RouterError(`${name}: expected a condition, found none: it would take every request`)
  const matches: Check = (request) => {
    const reasons: string[] = []
    for (const check of checks) {
      const reason = check(request)
      if (reason === undefined) return undefined
      reasons.push(reason)
    }
    return reasons.join(", ")
  }
  return { place, matches }
}

function checksOf({ keywords, pattern, hasTools, hasImages, leastLength, mostLength }: RoutingRule): Check[] {
  const checks: Check[] = []
  const when = (holds: boolean, reason: string): string | undefined => (holds ? reason : undefined)
  if (hasTools !== undefined)
    checks.push((request) => when(request.hasTools === hasTools, hasTools ? "it has tools" : "it has no tools"))
  if (hasImages !== undefined) {
    const reason = hasImages ? "it has images" : "it has no images"
    checks.push(({ numImages }) => when(numImages > 0 === hasImages, reason))
  }
  if (leastLength !== undefined || mostLength !== undefined) {
    const [low, high] = [leastLength ?? 0, mostLength ?? Number.POSITIVE_INFINITY]
    checks.push(({ text }) => when(text.length >= low && text.length <= high, `its ${text.length} characters`))
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
