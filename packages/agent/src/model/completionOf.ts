import { GREEDY } from "@consilium/model"
import type { CompletionRequest } from "@consilium/serving"
import type { ModelTurn } from "./AgentModel.ts"

/** Returns what each way of asking a model has in common: one answer, greedy, to a turn. */
export function completionOf({ maxTokens }: ModelTurn): Omit<CompletionRequest, "prompt"> {
  return {
    requestId: `agent-${crypto.randomUUID()}`,
    numChoices: 1,
    sampling: GREEDY,
    seed: undefined,
    maxTokens,
    stop: [],
    numTopLogProbs: undefined,
    trace: false,
  }
}
