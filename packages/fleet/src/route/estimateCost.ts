import { tokenCostUsd, type TokenPrice } from "@consilium/cost"
import type { ExpertLimits } from "../config/FleetConfig.ts"
import type { FleetMessage } from "../FleetRequest.ts"

/** UTF-8 bytes of a token, by and large. */
const TOKEN_BYTES = 4
/** What a message takes beside its text. */
const MESSAGE_TOKENS = 4
const IMAGE_TOKENS = 800
/** Of an answer whose length nobody limits. */
const USUAL_ANSWER = 512

/** Returns about how many tokens a text has: what there is before a tokenizer has seen it. */
export function estimateTokens(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / TOKEN_BYTES)
}

export function estimatePromptTokens(messages: readonly FleetMessage[]): number {
  return messages.reduce(
    (sum, { content, images = [] }) => sum + estimateTokens(content) + MESSAGE_TOKENS + images.length * IMAGE_TOKENS,
    0,
  )
}

/** Returns about what a request will cost, answers of the usual length unless it limits them. */
export function estimateCost(
  price: TokenPrice,
  { maxTokens: mostOfExpert }: ExpertLimits,
  promptTokens: number,
  { maxTokens, numChoices }: { readonly maxTokens: number | undefined; readonly numChoices: number },
): number {
  const generatedTokens = numChoices * Math.min(maxTokens ?? USUAL_ANSWER, mostOfExpert)
  return tokenCostUsd({ promptTokens, cachedTokens: 0, generatedTokens }, price)
}
