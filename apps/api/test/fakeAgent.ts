import { AgentModelError, type AgentConfig, type AgentModel, type AgentTool, type ModelReply } from "@consilium/agent"
import { Effect } from "effect"

type Turn = string | { readonly calls: readonly (readonly [tool: string, args: string])[] } | AgentModelError

/** A model that says these, one after the other. */
export function scriptedModel(...turns: readonly Turn[]): AgentModel {
  let numAsked = 0
  return {
    id: "scripted",
    contextLength: 4096,
    countTokens: (text) => Math.ceil(text.length / 4),
    answer: (_turn, say) =>
      Effect.suspend(() => {
        const turn = turns[numAsked++] ?? "the script has ended"
        if (turn instanceof AgentModelError) return Effect.fail(turn)
        if (typeof turn === "string") say(turn)
        return Effect.succeed(replyOf(turn))
      }),
  }
}

function replyOf(turn: Exclude<Turn, AgentModelError>): ModelReply {
  const usage = { promptTokens: 10, generatedTokens: 2, costUsd: 0.01 }
  if (typeof turn === "string") return { text: turn, calls: [], reason: "stop", usage, expert: undefined }
  const calls = turn.calls.map(([name, args], i) => ({ id: `c${i}`, name, arguments: args }))
  return { text: "", calls, reason: "tool_calls", usage, expert: undefined }
}

/** A tool that takes any arguments. */
export function toolOf(name: string, run: AgentTool["run"], changes = false): AgentTool {
  return { name, description: name, parameters: { type: "object" }, changes, run }
}

/** With a right to these tools. */
export function configOf(name: string, tools: readonly string[], memoryTokens = 0): AgentConfig {
  return {
    name,
    description: "",
    instructions: "",
    tools,
    limits: {
      maxSteps: 6,
      maxTokens: 100_000,
      maxMs: 20_000,
      maxCostUsd: Number.POSITIVE_INFINITY,
      maxParallelCalls: 4,
      toolTimeoutMs: 5000,
      maxResultTokens: 400,
    },
    memoryTokens,
    numPassages: 0,
  }
}
