import type { AgentTool } from "../AgentTool.ts"
import { calculate } from "./calculate.ts"

/** Creates the tool `calculate`, with the schema and results that the mini model was trained on. */
export function createCalculateTool(): AgentTool {
  return {
    name: "calculate",
    description: "Evaluate an arithmetic expression.",
    parameters: {
      type: "object",
      properties: { expression: { type: "string", description: "Arithmetic expression" } },
      required: ["expression"],
    },
    changes: false,
    run: async (args) => {
      const expression = String(args["expression"]).trim()
      return { text: `${expression} = ${calculate(expression)}` }
    },
  }
}
