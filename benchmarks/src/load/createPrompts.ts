import { createRandom } from "@consilium/tensor"
import type { StreamTiming } from "./streamChat.ts"

const WORDS =
  "the bank card order house water number question answer please today money letter city road morning price service phone train book people year name paper window garden child friend table country language picture market summer winter doctor school evening story green little small large long early late clear simple open public river green light sound color music".split(
    " ",
  )
/** Lengths of the two prompts that tell how many tokens a word has and how many the chat template adds. */
const FEW_WORDS = 20
const MANY_WORDS = 220
/** Where a server does not count: English text and most tokenizers. */
const USUAL_TOKENS_PER_WORD = 1.3

/** Makes prompts of about so many tokens; no two are alike, so that no cache of prefixes helps. */
export type Prompts = (numTokens: number, index: number) => string

/**
 * Learns a server's tokens per word by two short requests, and returns prompts for it.
 *
 * @param ask sends a prompt and wants one token
 */
export async function createPrompts(ask: (prompt: string) => Promise<StreamTiming>): Promise<Prompts> {
  const few = (await ask(words(FEW_WORDS, -1))).numPromptTokens
  const many = (await ask(words(MANY_WORDS, -2))).numPromptTokens
  const isCounted = few !== undefined && many !== undefined && many > few
  const perWord = isCounted ? (many - few) / (MANY_WORDS - FEW_WORDS) : USUAL_TOKENS_PER_WORD
  const template = isCounted ? Math.max(0, few - perWord * FEW_WORDS) : 0
  return (numTokens, index) => words(Math.max(1, Math.floor((numTokens - template) / perWord)), index)
}

function words(count: number, seed: number): string {
  const random = createRandom(seed)
  return Array.from({ length: count }, () => WORDS[Math.floor(random() * WORDS.length)]!).join(" ")
}
