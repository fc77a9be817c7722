/** Endings, longest first, with what they leave room for: a stem has at least three letters. */
const ENDING = /(?<=^\p{L}{3,})(?:ations?|ings?|ics?|ers?|edly|ies|ied|ed|es|ly|s|y|e)$/u

/** Returns about the stem of a lower-case word, so that `allergies`, `allergy` and `allergic` come near: enough to compare sentences of one person. */
export function stemOf(word: string): string {
  return /^[a-z]+$/.test(word) ? word.replace(ENDING, "") : word
}
