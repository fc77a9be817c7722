import type { FleetRequest } from "@consilium/fleet"
import type { SamplingParams } from "@consilium/model"
import type { ChatMessage, CompletionRequest } from "@consilium/serving"

/** Returns what every request of the cases has in common: one answer, no stop strings, no log-probabilities. */
function plainRequest(maxTokens: number, sampling: SamplingParams): Omit<CompletionRequest, "prompt"> {
  return {
    requestId: crypto.randomUUID(),
    numChoices: 1,
    sampling,
    seed: 1,
    maxTokens,
    stop: [],
    numTopLogProbs: undefined,
    trace: false,
  }
}

/** Returns a request to one engine, without tools. */
export function chatRequest(
  messages: readonly ChatMessage[],
  maxTokens: number,
  sampling: SamplingParams,
): CompletionRequest {
  return { ...plainRequest(maxTokens, sampling), prompt: { kind: "chat", messages, tools: [] } }
}

/** Returns a request whose expert the fleet's router chooses, without tools. */
export function autoRequest(
  messages: readonly ChatMessage[],
  maxTokens: number,
  sampling: SamplingParams,
): FleetRequest {
  return {
    ...plainRequest(maxTokens, sampling),
    target: { kind: "auto", consults: false },
    messages,
    tools: [],
    isStream: false,
    budgetUsd: Number.POSITIVE_INFINITY,
    purse: undefined,
    consult: false,
  }
}
