import type { AgentMemory } from "../memory/AgentMemory.ts"
import { type AgentTool, ToolError } from "./AgentTool.ts"

const MOST_LENGTH = 300

/**
 * Creates the tool `remember`: keeps a fact for the user who asks.
 *
 * It counts as a change, for what it keeps outlives the run: words from a web page must not get into later prompts unseen.
 *
 * @param agent whose memory it is
 */
export function createRememberTool(memory: AgentMemory, agent: string, nowMs: () => number): AgentTool {
  return {
    name: "remember",
    description: "Remember a fact about the user for later conversations.",
    parameters: {
      type: "object",
      properties: { fact: { type: "string", description: "One short sentence" } },
      required: ["fact"],
    },
    changes: true,
    run: async (args, { runId, userId }) => {
      const fact = String(args["fact"]).replaceAll(/\s+/g, " ").trim()
      if (fact === "") throw new ToolError("expected a fact, found none")
      if (fact.length > MOST_LENGTH) {
        throw new ToolError(`the fact has ${fact.length} characters, at most ${MOST_LENGTH} are remembered: shorten it`)
      }
      if (userId === undefined) throw new ToolError("nothing is remembered for a user without a name")
      await memory.noteFact({ agent, userId, conversationId: runId }, fact, nowMs())
      return { text: "remembered" }
    },
  }
}
