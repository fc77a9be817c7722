import type { AgentTool } from "../src/index.ts"
import type { RunInput } from "../src/run/RunInput.ts"
import type { RunRules } from "../src/run/RunRules.ts"
import { agentOf } from "./agentOf.ts"

/** Rules of a desk with these tools, whose model counts words. */
export function rulesOf(options: Omit<Parameters<typeof agentOf>[0], "model">, contextLength = 1000): RunRules {
  const model = {
    id: "words",
    contextLength,
    countTokens: (text: string) => text.split(/\s+/).filter(Boolean).length,
    answer: () => {
      throw new Error("model: expected nobody to ask it")
    },
  }
  return agentOf({ ...options, model })
}

/** A tool that nobody runs. */
export const toolOf = (name: string, changes = false): AgentTool => ({
  name,
  description: name,
  parameters: { type: "object" },
  changes,
  run: () => Promise.reject(new Error(`${name}: expected nobody to run it`)),
})

/** What a model says. */
export function replied(
  text: string,
  calls: readonly (readonly [id: string, name: string, args: string])[] = [],
  reason: "stop" | "length" | "tool_calls" = "stop",
): RunInput {
  return {
    type: "replied",
    ms: 1,
    reply: {
      text,
      calls: calls.map(([id, name, args]) => ({ id, name, arguments: args })),
      reason,
      usage: { promptTokens: 10, generatedTokens: 2, costUsd: 0.5 },
      expert: "far",
    },
  }
}

/** What a tool says. */
export const resultOf = (callId: string, text = "fine"): RunInput => ({
  type: "result",
  callId,
  outcome: "done",
  text,
  sources: [{ title: callId, location: undefined }],
  passages: [],
  ms: 3,
})
