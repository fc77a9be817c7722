import type { Tool } from "@consilium/serving"
import { neutralise } from "../run/prompt/neutralise.ts"
import type { AgentTool } from "./AgentTool.ts"
import { callTool } from "./callTool.ts"
import { type CheckArguments, compileCheck } from "./checkArguments.ts"
import type { ToolBox } from "./ToolBox.ts"

interface Entry {
  readonly tool: AgentTool
  readonly check: CheckArguments
  readonly described: Tool
}

const NAME = /^[\w-]{1,64}$/

/**
 * Puts tools together, each with the check of its arguments.
 *
 * Descriptions and schemas of others' tools are data: they cannot frame a conversation either.
 *
 * @throws Error on a name that is wrong or used twice, and on parameters that are no JSON schema
 */
export function createToolBox(tools: readonly AgentTool[]): ToolBox {
  const entries = new Map<string, Entry>()
  for (const tool of tools) {
    const { name } = tool
    if (!NAME.test(name)) throw new Error(`tool ${JSON.stringify(name)}: expected 1 to 64 letters, digits, _ or -`)
    if (entries.has(name)) throw new Error(`tool ${name}: expected one of this name, found two: rename one of them`)
    entries.set(name, { tool, check: compile(tool), described: describe(tool) })
  }
  return {
    names: [...entries.keys()],
    find: (name) => entries.get(name)?.tool,
    describe: (names) => names.flatMap((name) => entries.get(name)?.described ?? []),
    check(name, text, mayEndEarly) {
      const entry = entries.get(name)
      if (entry === undefined) throw new Error(`tools: expected one of name ${name}, found none`)
      return entry.check(text, mayEndEarly)
    },
    call: (name, args, context, timeoutMs) => callTool(entries.get(name)?.tool, args, context, timeoutMs),
  }
}

function compile({ name, parameters }: AgentTool): CheckArguments {
  try {
    return compileCheck(parameters)
  } catch (cause) {
    throw new Error(`tool ${name}: its parameters are no JSON schema: ${(cause as Error).message}`, { cause })
  }
}

function describe({ name, description, parameters }: AgentTool): Tool {
  const schema = JSON.parse(neutralise(JSON.stringify(parameters))) as unknown
  return { type: "function", function: { name, description: neutralise(description), parameters: schema } }
}
