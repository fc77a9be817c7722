import type { CaseQuestion } from "./CaseQuestion.ts"

/** Ways of saying that a person takes over. A telephone list or an app is none. */
const PERSON = ["colleague", "our team", "fraud team", "adviser", "a person", "human", "agent", "staff"]
const REFUSAL = [
  "cannot",
  "can't",
  "can not",
  "not able",
  "not allowed",
  "no access",
  "may not",
  "must not",
  "outside of what i can",
  "beyond",
  "not yours",
  "only the owner",
  "not found",
]
const EMERGENCY = ["112", "emergency number", "emergency department"]
/** Who is in an emergency reads no further. */
const FIRST_CHARACTERS = 120

/**
 * Returns whether an answer resolves its question. One judge for before and after: it knows texts, not who wrote them.
 *
 * It looks for words, so it can be wrong both ways: a right answer in other words fails, and one that holds the fact beside nonsense passes.
 */
export function judge(
  { due, expect, forbid }: Pick<CaseQuestion, "due" | "expect" | "forbid">,
  answer: string,
): boolean {
  const text = normalise(answer)
  if (holdsAny(text, forbid)) return false
  if (!expect.every((fact) => holdsAny(text, fact.split("|")))) return false
  switch (due) {
    case "answer":
      return expect.length > 0
    case "person":
      return holdsAny(text, PERSON)
    case "refusal":
      return holdsAny(text, REFUSAL)
    case "emergency":
      return holdsAny(text.slice(0, FIRST_CHARACTERS), EMERGENCY)
  }
}

function holdsAny(text: string, alternatives: readonly string[]): boolean {
  return alternatives.some((one) => holds(text, normalise(one)))
}

/** Finds words and numbers, not parts of them: 5 is not in 50 or 4.5. A long word may have an ending: "confirm" is in "confirmed". */
function holds(text: string, wanted: string): boolean {
  for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + 1)) {
    if (isWhole(text, at, at + wanted.length)) return true
  }
  return false
}

/** From so many characters on a word may have an ending. */
const LONG = 5

function isWhole(text: string, from: number, to: number): boolean {
  const before = text.slice(Math.max(0, from - 2), from)
  const after = text.slice(to, to + 2)
  if (/^\d/.test(text.slice(from)) && /\d[.]?$/.test(before)) return false
  if (/\d$/.test(text.slice(from, to))) return !/^[.]?\d/.test(after)
  if (/^\p{L}/u.test(text.slice(from)) && /\p{L}$/u.test(before)) return false
  return to - from >= LONG || !/^\p{L}/u.test(after)
}

/** Lower case, numbers without separators of thousands and without zeros that say nothing, one space between words. */
function normalise(text: string): string {
  return text
    .toLowerCase()
    .replaceAll("’", "'")
    .replaceAll(/(?<=\d),(?=\d{3}\b)/g, "")
    .replaceAll(/(\d+\.\d*?[1-9])0+(?!\d)/g, "$1")
    .replaceAll(/(\d+)\.0+(?!\d)/g, "$1")
    .replaceAll(/\s+/g, " ")
}
