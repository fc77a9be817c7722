import { expect, test } from "bun:test"
import { ToolError } from "../AgentTool.ts"
import { createCalculateTool } from "./createCalculateTool.ts"

const context = { runId: "run", userId: undefined, signal: new AbortController().signal }

test("calculate: answers with the expression and its value, as the mini model was trained", async () => {
  const { text } = await createCalculateTool().run({ expression: " 45*19 " }, context)
  expect(text).toBe("45*19 = 855")
})

test("calculate: what is no expression is a tool error", async () => {
  await expect(createCalculateTool().run({ expression: "process.exit(1)" }, context)).rejects.toBeInstanceOf(ToolError)
})
