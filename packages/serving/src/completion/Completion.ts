import type { SamplingParams } from "@consilium/model"
import type { Degradation, EngineUsage, RoutingTrace } from "../protocol.ts"

export interface ToolCall {
  readonly id: string
  readonly name: string
  /** JSON text as the model wrote it, without white space between its parts; it may be invalid. */
  readonly arguments: string
}

/** A message of a conversation, already reduced to text. */
export interface ChatMessage {
  readonly role: "system" | "user" | "assistant" | "tool"
  readonly content: string
  readonly name?: string
  readonly toolCalls?: readonly ToolCall[]
  readonly toolCallId?: string
}

/** A tool as OpenAI describes it; it reaches the template as it stands. */
export interface Tool {
  readonly type: "function"
  readonly function: { readonly name: string; readonly description?: string; readonly parameters?: unknown }
}

/** A request in our vocabulary, whichever route it came by. */
export interface CompletionRequest {
  readonly requestId: string
  readonly prompt:
    | {
        readonly kind: "chat"
        readonly messages: readonly ChatMessage[]
        readonly tools: readonly Tool[]
        /** What of the answer has been said already, elsewhere: it is gone on with. */
        readonly answered?: string
      }
    | { readonly kind: "text"; readonly text: string }
    | { readonly kind: "ids"; readonly ids: readonly number[] }
  readonly numChoices: number
  readonly sampling: SamplingParams
  /** Undefined: one is drawn and used for all choices. */
  readonly seed: number | undefined
  /** Undefined: as many as the context holds. */
  readonly maxTokens: number | undefined
  readonly stop: readonly string[]
  readonly numTopLogProbs: number | undefined
  readonly trace: boolean
}

export interface TextLogProb {
  readonly text: string
  /** The token's bytes: a token may hold part of a character. */
  readonly bytes: readonly number[]
  readonly logProb: number
  readonly top: readonly { readonly text: string; readonly bytes: readonly number[]; readonly logProb: number }[]
}

/** What a completion yields, per choice in order; choices interleave. `finish` comes once per choice, last. */
export type CompletionEvent =
  | { readonly type: "text"; readonly choice: number; readonly text: string; readonly logProbs: readonly TextLogProb[] }
  | {
      readonly type: "tool-call"
      readonly choice: number
      readonly index: number
      readonly id: string
      readonly name: string
    }
  | { readonly type: "tool-arguments"; readonly choice: number; readonly index: number; readonly delta: string }
  | {
      readonly type: "finish"
      readonly choice: number
      readonly reason: "stop" | "length" | "tool_calls"
      readonly usage: EngineUsage
      readonly degraded: readonly Degradation[]
      readonly trace: readonly RoutingTrace[] | undefined
    }
