import type { Tokenizer } from "./loadTokenizer.ts"

/** Turns ids into text as they come, never half a character. */
export interface Detokenizer {
  /** Returns the text that is complete with this id; it may be empty. Special tokens give none. */
  push(id: number): string
  /** Returns what is left at the end: U+FFFD for a character that was never finished. */
  flush(): string
}

/**
 * Creates a detokenizer for one stream; a token costs the same wherever it stands.
 *
 * SentencePiece writes a space before every word, a text's first too: there it is dropped, but not from a text that goes on with another
 * (`continues`), where it parts two words.
 */
export function createDetokenizer(
  tokenizer: Tokenizer,
  { continues = false }: { readonly continues?: boolean } = {},
): Detokenizer {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
  let isFirst = !continues
  return {
    push(id) {
      if (tokenizer.isSpecial(id)) return ""
      const bytes = tokenizer.tokenBytes(id)
      const isStripped = isFirst && tokenizer.stripsFirstSpace && bytes[0] === 0x20
      isFirst = false
      return decoder.decode(isStripped ? bytes.subarray(1) : bytes, { stream: true })
    },
    flush: () => decoder.decode(),
  }
}

/** Returns the text of some ids, special tokens left out. */
export function decodeIds(tokenizer: Tokenizer, ids: readonly number[]): string {
  const detokenizer = createDetokenizer(tokenizer)
  return ids.map((id) => detokenizer.push(id)).join("") + detokenizer.flush()
}
