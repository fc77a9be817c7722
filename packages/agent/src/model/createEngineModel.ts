import { type TokenPrice, tokenCostUsd } from "@consilium/cost"
import { complete, type CompletionDeps, type CompletionEvent, type CompletionRequest } from "@consilium/serving"
import { Effect } from "effect"
import { type AgentModel, AgentModelError } from "./AgentModel.ts"
import { collectReply } from "./collectReply.ts"
import { completionOf } from "./completionOf.ts"
import { estimateTokens } from "./estimateTokens.ts"
import { replyOf } from "./replyOf.ts"

/** How a run asks an engine of ours. */
export interface EngineModelOptions extends CompletionDeps {
  /** As the engine's status says. */
  readonly contextLength: number
  /** Of its tokens; undefined where they cost nothing. */
  readonly price?: TokenPrice
  /** Stands between the run and the engine, where somebody counts what it uses: `complete` itself, unless given. */
  readonly complete?: (
    request: CompletionRequest,
    hear: (event: CompletionEvent) => void,
  ) => Effect.Effect<void, { readonly message: string }>
}

/** Longer texts are estimated: encoding them would hold up everybody else. */
const COUNTED_LENGTH = 2 ** 15

/** A model that our own engine serves; it answers greedily. */
export function createEngineModel(id: string, options: EngineModelOptions): AgentModel {
  const { contextLength, price } = options
  const { tokenizer } = options.text
  const run = options.complete ?? ((request, hear) => complete(request, options, hear))
  return {
    id,
    contextLength,
    countTokens: (text) => (text.length > COUNTED_LENGTH ? estimateTokens(text) : tokenizer.encode(text).length),
    answer: (turn, say) => {
      const { messages, tools } = turn
      const request = { ...completionOf(turn), prompt: { kind: "chat", messages, tools } } as const
      return collectReply((hear) => run(request, hear), say).pipe(
        Effect.map((reply) =>
          replyOf(reply, (tokens) => (price === undefined ? 0 : tokenCostUsd(tokens, price)), undefined),
        ),
        Effect.mapError((cause) => new AgentModelError({ message: cause.message, cause })),
      )
    },
  }
}
