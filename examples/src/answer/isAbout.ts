/** Words that say nothing of what a question is about. */
const EMPTY = new Set(
  (
    "a about after all am an and any anything are as ask at be been before but by can could did do does for from get give go got had has have he her here his how i if in into " +
    "is it its just let like long many may me mine more most much must my need new no not now of off on one or our out please she should so some somebody someone something than that the their them " +
    "then there they thing this those to today too under until up us very want was we what when where which who why will with would yes you your"
  ).split(" "),
)
/** Words that begin alike are one. */
const STEM = 5

/** Whether a text asks for arithmetic: its numbers are no records', and no document answers it. */
export function isSum(text: string): boolean {
  return /\d\s*[-+*/×]\s*\d|\d\s*%|\b(?:plus|minus|times|divided by)\b/i.test(text)
}

/** So much of a question must stand in a passage that answers it: two words, and half of them all. */
const LEAST_WORDS = 2
const LEAST_SHARE = 0.5

/**
 * Returns whether a passage says what a question is about.
 *
 * Scores of a search compare its own passages only; this tells the best of them from one that is about something else. Its bounds were set once, and
 * fitted to nothing.
 */
export function isAbout(question: string, passage: string): boolean {
  const asked = stemsOf(question)
  const said = stemsOf(passage)
  let numFound = 0
  for (const stem of asked) if (said.has(stem)) numFound++
  return numFound >= LEAST_WORDS && numFound >= LEAST_SHARE * asked.size
}

function stemsOf(text: string): ReadonlySet<string> {
  const words = text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []
  return new Set(words.filter((word) => word.length > 1 && !EMPTY.has(word)).map(stemOf))
}

/** What stays when the plural and long endings go. */
function stemOf(word: string): string {
  return (word.length > 3 ? word.replace(/s$/, "") : word).slice(0, STEM)
}
