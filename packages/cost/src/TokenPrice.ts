/** What a model's tokens cost. */
export interface TokenPrice {
  readonly inputUsdPerMillion: number
  /** Of prompt tokens that were reused from an earlier request. */
  readonly cachedUsdPerMillion: number
  readonly outputUsdPerMillion: number
}

/** Tokens of one request. */
export interface TokenCounts {
  /** All of the prompt, those of `cachedTokens` among them. */
  readonly promptTokens: number
  readonly cachedTokens: number
  readonly generatedTokens: number
}

/** Returns what tokens cost; two requests cost what their sums cost. */
export function tokenCostUsd(
  { promptTokens, cachedTokens, generatedTokens }: TokenCounts,
  { inputUsdPerMillion, cachedUsdPerMillion, outputUsdPerMillion }: TokenPrice,
): number {
  const input = (promptTokens - cachedTokens) * inputUsdPerMillion
  return (input + cachedTokens * cachedUsdPerMillion + generatedTokens * outputUsdPerMillion) / 1e6
}

/** Reads `input,output` or `input,cached,output` in USD per million tokens; cached ones cost what others do unless said. */
export function parseTokenPrice(text: string): TokenPrice | undefined {
  const numbers = text.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)))
  if (numbers.length < 2 || numbers.length > 3 || !numbers.every((price) => price >= 0 && price < 1e9)) return undefined
  return {
    inputUsdPerMillion: numbers[0]!,
    cachedUsdPerMillion: numbers.length === 3 ? numbers[1]! : numbers[0]!,
    outputUsdPerMillion: numbers.at(-1)!,
  }
}
