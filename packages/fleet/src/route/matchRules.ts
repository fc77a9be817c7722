import type { ExpertRules } from "../config/FleetConfig.ts"
import type { RoutedRequest } from "../router/RequestRouter.ts"

/** Of a text, a pattern sees so many characters: one that runs away does not run far. */
const MOST_MATCHED = 4000

/** Says by which of an expert's rules a request is its own; undefined where any part that is given does not hold. */
export function matchRules(
  rules: ExpertRules,
  { text, numImages, hasTools, numTokens = 0 }: RoutedRequest,
): string | undefined {
  const { keywords, pattern, tools, images, leastTokens, mostTokens } = rules
  const reasons: string[] = []
  if (keywords.length > 0) {
    const keyword = keywords.find((word) => hasWord(text, word))
    if (keyword === undefined) return undefined
    reasons.push(`the word ${JSON.stringify(keyword)}`)
  }
  if (pattern !== undefined) {
    if (!pattern.test(text.slice(0, MOST_MATCHED))) return undefined
    reasons.push(`the pattern ${pattern.source}`)
  }
  if (tools !== undefined) {
    if (tools !== hasTools) return undefined
    reasons.push(tools ? "it has tools" : "it has no tools")
  }
  if (images !== undefined) {
    if (images !== numImages > 0) return undefined
    reasons.push(images ? "it has images" : "it has no images")
  }
  if (leastTokens !== undefined || mostTokens !== undefined) {
    if (numTokens < (leastTokens ?? 0) || numTokens > (mostTokens ?? Number.POSITIVE_INFINITY)) return undefined
    reasons.push(`its length, ${numTokens} tokens`)
  }
  return reasons.length === 0 ? undefined : reasons.join(", ")
}

const LETTER = /[\p{L}\p{N}]/u

/** Whether a text has a word, in either case and not as a part of another; scripts without spaces have no word borders. */
function hasWord(text: string, word: string): boolean {
  const [haystack, needle] = [text.toLowerCase(), word.toLowerCase()]
  const isUnspaced = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/u.test(needle)
  for (let at = haystack.indexOf(needle); at >= 0; at = haystack.indexOf(needle, at + 1)) {
    const isBordered = !LETTER.test(haystack[at - 1] ?? "") && !LETTER.test(haystack[at + needle.length] ?? "")
    if (isUnspaced || isBordered) return true
  }
  return false
}
