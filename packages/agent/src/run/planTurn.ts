import type { ModelTurn } from "../model/AgentModel.ts"
import { planPrompt } from "./prompt/planPrompt.ts"
import { offersTools, type RunRules } from "./RunRules.ts"
import type { RunState } from "./RunState.ts"

/** What a run asks its model next, or why it asks nothing more. */
export type PlannedTurn =
  | { readonly kind: "turn"; readonly turn: ModelTurn }
  | { readonly kind: "limit"; readonly limit: "steps" | "tokens" | "cost" }
  | { readonly kind: "too-long"; readonly message: string }

/** Of the context, so much is kept for an answer: the fewer of the two. */
const ANSWER_TOKENS = 512
const ANSWER_SHARE = 0.25
/** With fewer tokens left, nobody says anything of use. */
const LEAST_ANSWER = 16

/** Plans the next turn of a run within its limits and the model's context. Pure. */
export function planTurn(state: RunState, rules: RunRules): PlannedTurn {
  const { config, tools, model } = rules
  const { maxSteps, maxTokens, maxCostUsd } = config.limits
  const budgetUsd = maxCostUsd - state.usage.costUsd
  if (state.numSteps >= maxSteps) return { kind: "limit", limit: "steps" }
  if (budgetUsd <= 0) return { kind: "limit", limit: "cost" }
  const reserve = Math.floor(Math.min(ANSWER_TOKENS, model.contextLength * ANSWER_SHARE))
  const offered = offersTools(state, rules) ? tools.describe(config.tools) : []
  const prompt = planPrompt({
    context: state.context,
    said: state.said,
    tools: offered,
    budgetTokens: model.contextLength - reserve,
    countTokens: model.countTokens,
  })
  if (prompt.kind === "too-long") {
    const message = `The model's context holds ${model.contextLength} tokens, ${reserve} of them for the answer; the conversation takes about ${prompt.numTokens} with everything left out that may be. Shorten the question or the history.`
    return { kind: "too-long", message }
  }
  const { messages, numTokens } = prompt
  const leftTokens = maxTokens - state.usage.promptTokens - state.usage.generatedTokens - numTokens
  if (leftTokens < LEAST_ANSWER) return { kind: "limit", limit: "tokens" }
  const turn = {
    messages,
    tools: offered,
    maxTokens: Math.min(leftTokens, model.contextLength - numTokens),
    budgetUsd,
  }
  return { kind: "turn", turn }
}
