/** After a full stop with a blank behind it (`3.5` and `a.b` are whole), after Chinese ones, at ends of lines. */
const ENDS = /(?<=[.!?…]["'”’)]*)\s+|(?<=[。！？；][”’）」]*)|\s*\n\s*/u
/** What ends with a full stop and ends no sentence. */
const SHORTENED = /(?:^|\s)(?:Dr|Mr|Mrs|Ms|Prof|St|No|Nr|vs|approx|e\.g|i\.e|[A-Z])\.$/u

/** Splits a text into its sentences, English or Chinese, trimmed; none is empty. */
export function splitSentences(text: string): string[] {
  const sentences: string[] = []
  let open = ""
  for (const piece of text.split(ENDS)) {
    const sentence = open === "" ? piece.trim() : `${open} ${piece.trim()}`
    open = SHORTENED.test(sentence) ? sentence : ""
    if (open === "" && sentence !== "") sentences.push(sentence)
  }
  return open === "" ? sentences : [...sentences, open]
}
