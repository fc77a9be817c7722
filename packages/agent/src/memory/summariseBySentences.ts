import { sharedPart } from "../words/sharedPart.ts"
import { splitSentences } from "../words/splitSentences.ts"
import { termsOf } from "../words/termsOf.ts"
import { factsIn, isQuestion } from "./factsIn.ts"
import type { SummaryTask } from "./Summarise.ts"

/** What makes a sentence worth its place, and how much. */
const SIGNS: readonly (readonly [RegExp, number])[] = [
  [/\d/, 2],
  // A name: a capital that begins no sentence.
  [/(?<=[\p{Ll},] )\p{Lu}\p{L}+/u, 1],
  [/\b(?:want|need|would like|prefer|wish|hope|must|please)\b|想要|想|需要|希望|要求|必须|请/i, 2],
  [
    /\b(?:decided?|agreed?|confirmed?|booked|ordered|cancell?ed|changed|will|promised?|refund(?:ed)?)\b|决定|同意|确认|预订|取消|改为|答应|退款/i,
    2,
  ],
  [/\b(?:because|deadline|until|address|number|allergic)\b|因为|截止|地址|号码|过敏/i, 1],
]
const FACT_SCORE = 3
const QUESTION_SCORE = -2
const USER_SCORE = 1
/** Halves the weight of what was said so many lines ago. */
const HALF_LINES = 200
/** Two lines that share more of their words say the same. */
const SAME_SHARE = 0.6
const LONGEST_LINE = 240

/**
 * Writes a summary on with the sentences that carry names, numbers, wishes and decisions, as they were said, in their order, one a line.
 *
 * Lines of the summary before compete with the new ones; all fit into the budget, and where none does it is empty.
 */
export function summariseBySentences({ previous = "", turns, budgetTokens, countTokens }: SummaryTask): string {
  const said = turns.flatMap(({ role, content }) =>
    splitSentences(content).map((sentence) => `${role}: ${sentence.slice(0, LONGEST_LINE)}`),
  )
  const lines = [...previous.split("\n").filter(Boolean), ...said]
  const ranked = lines
    .map((line, place) => ({ line, place, score: scoreOf(line) * 0.5 ** ((lines.length - 1 - place) / HALF_LINES) }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score || b.place - a.place)
  const kept: { readonly line: string; readonly place: number; readonly terms: ReadonlySet<string> }[] = []
  let numTokens = 0
  for (const { line, place } of ranked) {
    const cost = countTokens(`${line}\n`)
    if (numTokens + cost > budgetTokens) continue
    const terms = new Set(termsOf(line))
    if (kept.some((other) => sharedPart(terms, other.terms) > SAME_SHARE)) continue
    kept.push({ line, place, terms })
    numTokens += cost
  }
  kept.sort((a, b) => a.place - b.place)
  return shortened(
    kept.map(({ line }) => line),
    budgetTokens,
    countTokens,
  )
}

/** Tokens of lines together may be more than one by one. */
function shortened(lines: readonly string[], budgetTokens: number, countTokens: (text: string) => number): string {
  const text = lines.join("\n")
  return lines.length === 0 || countTokens(text) <= budgetTokens
    ? text
    : shortened(lines.slice(1), budgetTokens, countTokens)
}

function scoreOf(line: string): number {
  const isUser = line.startsWith("user: ")
  const sentence = line.slice(line.indexOf(": ") + 2)
  let score = isUser ? USER_SCORE : 0
  for (const [sign, worth] of SIGNS) if (sign.test(sentence)) score += worth
  if (isUser && factsIn(sentence).length > 0) score += FACT_SCORE
  return isQuestion(sentence) ? score + QUESTION_SCORE : score
}
