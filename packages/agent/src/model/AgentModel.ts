import type { ChatMessage, Tool, ToolCall } from "@consilium/serving"
import { Data, type Effect } from "effect"

/** What a model is asked in one step of a run. */
export interface ModelTurn {
  readonly messages: readonly ChatMessage[]
  readonly tools: readonly Tool[]
  readonly maxTokens: number
  /** What the whole run may still cost, in US dollars; Infinity for no limit. */
  readonly budgetUsd: number
}

export interface ModelUsage {
  readonly promptTokens: number
  readonly generatedTokens: number
  readonly costUsd: number
}

/** What a model answered: text, calls of tools, or both. */
export interface ModelReply {
  readonly text: string
  /** Their arguments as the model wrote them: they may be no JSON. */
  readonly calls: readonly ToolCall[]
  readonly reason: "stop" | "length" | "tool_calls"
  readonly usage: ModelUsage
  /** The fleet's expert that answered; undefined where there is no fleet. */
  readonly expert: string | undefined
}

/** Why there is no answer, in words for clients. */
export class AgentModelError extends Data.TaggedError("AgentModelError")<{
  readonly message: string
  /** What the service below said, for the response's status. */
  readonly cause: unknown
  /** The turn's own budget forbids it: the run ends with what there is. */
  readonly isOverBudget?: boolean
}> {}

/** A model that answers conversations, wherever it runs: one that we serve, a fleet, an endpoint. */
export interface AgentModel {
  readonly id: string
  /** Tokens of prompt and answer together. */
  readonly contextLength: number
  /** Of a model whose tokenizer is elsewhere, an estimate that is rather too high. */
  readonly countTokens: (text: string) => number
  /**
   * Answers a conversation. Interrupting it ends the work.
   *
   * @param say called plainly with each piece of text as it comes
   */
  readonly answer: (turn: ModelTurn, say: (text: string) => void) => Effect.Effect<ModelReply, AgentModelError>
}
