/** UTF-8 bytes of a token, where few go into one. */
const TOKEN_BYTES = 3
/** Each is a token by itself with some tokenizers. */
const SIGNS = /[\d!-/:-@[-`{-~]/g

/** Returns about how many tokens a text has, rather too many: of models whose tokenizer is elsewhere. */
export function estimateTokens(text: string): number {
  const numSigns = text.length - text.replaceAll(SIGNS, "").length
  return numSigns + Math.ceil((Buffer.byteLength(text) - numSigns) / TOKEN_BYTES)
}
