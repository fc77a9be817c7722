import { spaceCjk } from "./spaceCjk.ts"
import { STOP_WORDS } from "./stopWords.ts"

/** Returns the terms of a text in their order: words in lower case and pairs of Chinese letters, those left out that any text has. */
export function termsOf(text: string): string[] {
  const words = spaceCjk(text)
    .toLowerCase()
    .match(/[\p{L}\p{M}\p{N}]+/gu)
  return (words ?? []).filter((word) => !STOP_WORDS.has(word))
}
