import { expect, test } from "bun:test"
import type { AgentMemory } from "../memory/AgentMemory.ts"
import { createRememberTool } from "./createRememberTool.ts"

function create() {
  const noted: unknown[] = []
  const memory: AgentMemory = {
    recall: async () => ({ facts: [], summary: undefined, turns: [] }),
    note: async () => {},
    noteFact: async (...given) => void noted.push(given),
    forget: async () => 0,
  }
  return { noted, tool: createRememberTool(memory, "desk", () => 42) }
}

const context = { runId: "run", userId: "ann", signal: new AbortController().signal }

test("remember: keeps a fact of the user in one line, after a person agreed", async () => {
  const { noted, tool } = create()
  expect(tool.changes).toBe(true)
  expect(await tool.run({ fact: " Likes\n\n# tea " }, context)).toEqual({ text: "remembered" })
  expect(noted).toEqual([[{ agent: "desk", userId: "ann", conversationId: "run" }, "Likes # tea", 42]])
})

test.each([
  ["  ", "ann", "expected a fact, found none"],
  ["x".repeat(301), "ann", "the fact has 301 characters, at most 300 are remembered: shorten it"],
  ["Likes tea", undefined, "nothing is remembered for a user without a name"],
])("remember: refuses what it cannot keep (%#)", async (fact, userId, message) => {
  const { noted, tool } = create()
  await expect(tool.run({ fact }, { ...context, userId })).rejects.toThrow(message)
  expect(noted).toEqual([])
})
