import { tokenCostUsd } from "@consilium/cost"
import type { FleetExpert, RemoteExpertConfig } from "@consilium/fleet"
import { Effect } from "effect"
import { type AgentModel, AgentModelError } from "./AgentModel.ts"
import { collectReply } from "./collectReply.ts"
import { completionOf } from "./completionOf.ts"
import { estimateTokens } from "./estimateTokens.ts"
import { replyOf } from "./replyOf.ts"

/**
 * One expert, asked without a fleet around it: no routing, no failover, no account.
 *
 * @param contextLength tokens of prompt and answer together; the expert's own matter, so it is told here
 */
export function createExpertModel(
  expert: FleetExpert,
  { name, price }: Pick<RemoteExpertConfig, "name" | "price">,
  contextLength: number,
): AgentModel {
  return {
    id: name,
    contextLength,
    countTokens: estimateTokens,
    answer: (turn, say) => {
      const { messages, tools } = turn
      const request = { ...completionOf(turn), messages, tools, prefix: "" }
      return collectReply((hear) => expert.answer(request, hear, { begin() {}, use() {} }), say).pipe(
        Effect.map((reply) => replyOf(reply, (tokens) => tokenCostUsd(tokens, price), name)),
        Effect.mapError((cause) => new AgentModelError({ message: cause.message, cause })),
      )
    },
  }
}
