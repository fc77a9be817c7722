/** UTF-8 bytes of a token, where few go into one. */
const TOKEN_BYTES = 3

/** Returns about how many tokens a text has, rather too many: of models whose tokenizer is elsewhere. Digits count for themselves. */
export function estimateTokens(text: string): number {
  const numDigits = text.length - text.replaceAll(/\d/g, "").length
  return numDigits + Math.ceil((Buffer.byteLength(text) - numDigits) / TOKEN_BYTES)
}
