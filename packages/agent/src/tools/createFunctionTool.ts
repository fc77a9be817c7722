import { Option, Schema } from "effect"
import { type AgentTool, type ToolContext, ToolError, type ToolResult } from "./AgentTool.ts"

export interface FunctionToolOptions<A> {
  readonly name: string
  readonly description: string
  /** Of the arguments. `Schema.Finite` and `Schema.optionalKey` describe to models what they say, and no more. */
  readonly args: Schema.Codec<A, unknown>
  /** It changes something outside of the run: a person confirms each call. */
  readonly changes: boolean
  readonly run: (args: A, context: ToolContext) => Promise<ToolResult | string>
}

/** Creates a tool of a function, whose arguments have the types that its schema says. */
export function createFunctionTool<A>({ name, description, args, changes, run }: FunctionToolOptions<A>): AgentTool {
  const decode = Schema.decodeUnknownOption(args)
  const { schema, definitions } = Schema.toJsonSchemaDocument(args)
  return {
    name,
    description,
    parameters: Object.keys(definitions).length === 0 ? schema : { ...schema, $defs: definitions },
    changes,
    run: async (given, context) => {
      // What no JSON schema says, such as a filter of its own, is found out here.
      const read = Option.getOrThrowWith(decode(given), () => new ToolError(`the arguments of ${name} are not valid`))
      const result = await run(read, context)
      return typeof result === "string" ? { text: result } : result
    },
  }
}
