type Json = Readonly<Record<string, unknown>>

/**
 * Replaces `Digits` pre-tokenizers by an equal `Split`.
 *
 * The library's own splits at ASCII digits only; the reference takes every Unicode number (`½`, `Ⅳ`, `٣`) for a digit.
 */
export function mendPreTokenizer(tokenizer: Json): Json {
  return { ...tokenizer, pre_tokenizer: mend(tokenizer.pre_tokenizer) }
}

function mend(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value
  const preTokenizer = value as Json
  if (preTokenizer.type === "Sequence" && Array.isArray(preTokenizer.pretokenizers)) {
    return { ...preTokenizer, pretokenizers: preTokenizer.pretokenizers.map(mend) }
  }
  if (preTokenizer.type !== "Digits") return value
  const pattern = { Regex: preTokenizer.individual_digits === true ? "\\p{N}" : "\\p{N}+" }
  return { type: "Split", pattern, behavior: "Isolated", invert: false }
}
