import type { CompletionEvent, EngineUsage } from "@consilium/serving"

type Finish = Extract<CompletionEvent, { type: "finish" }>

/** OpenAI's usage of a whole response: the prompt once, the answers together. */
export function usageOf(finishes: readonly Finish[], numPrompts = 1) {
  const sum = (of: (usage: EngineUsage) => number): number =>
    finishes.reduce((total, { usage }) => total + of(usage), 0)
  const perPrompt = finishes.length / numPrompts
  const promptTokens = Math.round(sum((usage) => usage.promptTokens) / perPrompt)
  const completionTokens = sum((usage) => usage.generatedTokens)
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: {
      cached_tokens: Math.min(
        promptTokens,
        sum((usage) => usage.cachedTokens),
      ),
    },
  }
}
