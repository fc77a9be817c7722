import type { TokenCounts } from "@consilium/cost"
import type { ModelReply } from "./AgentModel.ts"
import type { CollectedReply } from "./collectReply.ts"

/**
 * Returns an answer of one expert or engine as a run reads it.
 *
 * @throws Error on one without its end: whoever answers says it last
 */
export function replyOf(
  { text, calls, finish }: CollectedReply,
  costOf: (tokens: TokenCounts) => number,
  expert: string | undefined,
): ModelReply {
  if (finish === undefined) throw new Error("model: expected the answer's end, found none")
  const { promptTokens, generatedTokens } = finish.usage
  return {
    text,
    calls,
    reason: finish.reason,
    usage: { promptTokens, generatedTokens, costUsd: costOf(finish.usage) },
    expert,
  }
}
