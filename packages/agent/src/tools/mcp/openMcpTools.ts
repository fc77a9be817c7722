import type { CallToolResult, Tool as McpTool } from "@modelcontextprotocol/sdk/types.js"
import { Effect, type Scope } from "effect"
import { type AgentTool, type ToolContext, ToolError, type ToolResult } from "../AgentTool.ts"
import { compileCheck } from "../checkArguments.ts"
import { McpConnection } from "./McpConnection.ts"
import { type McpServerConfig, McpServerError } from "./McpServerConfig.ts"
import { nameMcpTools } from "./nameMcpTools.ts"
import { readMcpResult } from "./readMcpResult.ts"

/** A model reads all of them in each step. */
const MOST_TOOLS = 128
const MOST_DESCRIPTION = 1024
const MOST_ERROR = 500
/** The library's code for a connection that ended; every other one is the server's own word. */
const CONNECTION_CLOSED = -32_000
const TIMED_OUT = -32_001

/**
 * Connects to an MCP server and returns its tools, or those that are wanted; the connection ends with the scope.
 *
 * The list is read once. A server that dies fails the calls that it has, and is connected to again at the next one. Tools count as
 * changing something unless the server says that they only read, or is trusted.
 */
export const openMcpTools = Effect.fn("openMcpTools")(function* (
  config: McpServerConfig,
): Effect.fn.Return<readonly AgentTool[], McpServerError, Scope.Scope> {
  const connection = yield* Effect.acquireRelease(
    Effect.sync(() => new McpConnection(config)),
    (connection) => Effect.promise(() => connection.close()),
  )
  const tools = yield* Effect.tryPromise({
    try: async () => {
      const wanted = chooseTools(await listTools(connection, config.timeoutMs), config.tools)
      wanted.forEach(checkSchema)
      return wanted
    },
    catch: (error) => new McpServerError({ server: config.name, message: wordsOf(error) }),
  })
  const names = nameMcpTools(
    config.name,
    tools.map(({ name }) => name),
  )
  return tools.map((tool, index) => createMcpTool(connection, config, tool, names[index]!))
})

async function listTools(connection: McpConnection, timeoutMs: number): Promise<readonly McpTool[]> {
  const client = await connection.client()
  const tools: McpTool[] = []
  let cursor: string | undefined
  do {
    const page = await client.listTools(cursor === undefined ? {} : { cursor }, { timeout: timeoutMs })
    tools.push(...page.tools)
    if (tools.length > MOST_TOOLS) throw new Error(`the server has more than ${MOST_TOOLS} tools`)
    // A page that brings nothing brings no end either.
    cursor = page.tools.length === 0 ? undefined : page.nextCursor
  } while (cursor !== undefined)
  return tools
}

/** By the server's own names: ours may make one of two. @throws Error where one is not there */
function chooseTools(tools: readonly McpTool[], wanted: readonly string[] | undefined): readonly McpTool[] {
  if (wanted === undefined) return tools
  const chosen = tools.filter(({ name }) => wanted.includes(name))
  if (chosen.length === wanted.length) return chosen
  const found = tools.map(({ name }) => name).join(", ")
  throw new Error(`expected the tools ${wanted.join(", ")}, found ${found}`)
}

/** @throws Error on parameters that no call could be checked against */
function checkSchema({ name, inputSchema }: McpTool): void {
  try {
    compileCheck(inputSchema)
  } catch (cause) {
    const found = `expected a JSON schema, found one that is none (${(cause as Error).message})`
    const cure = "leave it out with `tools`, a list of those that the agent may call"
    throw new Error(`tool ${name}: ${found}: ${cure}`, { cause })
  }
}

function createMcpTool(connection: McpConnection, config: McpServerConfig, tool: McpTool, name: string): AgentTool {
  const description = (tool.description ?? tool.title ?? tool.name).slice(0, MOST_DESCRIPTION)
  return {
    name,
    description,
    parameters: tool.inputSchema,
    changes: !config.isTrusted && tool.annotations?.readOnlyHint !== true,
    timeoutMs: config.timeoutMs,
    run: (args, context) => call(connection, config, tool.name, args, context),
  }
}

async function call(
  connection: McpConnection,
  { name: server, timeoutMs }: McpServerConfig,
  name: string,
  args: Readonly<Record<string, unknown>>,
  { signal }: ToolContext,
): Promise<ToolResult> {
  const client = connection.client()
  let result
  try {
    const request = { name, arguments: { ...args } }
    result = await (await client).callTool(request, undefined, { signal, timeout: timeoutMs })
  } catch (error) {
    if (signal.aborted) throw new ToolError("the call was cancelled")
    const code = rpcCodeOf(error)
    if (code === TIMED_OUT) throw new ToolError(`timeout: ${server} took longer than ${timeoutMs} ms`)
    if (code !== undefined && code !== CONNECTION_CLOSED) throw new ToolError(wordsOf(error).slice(0, MOST_ERROR))
    await connection.drop(client)
    // What the transport says may hold the server's address or its headers.
    throw new ToolError(`service unavailable: the connection to ${server} ended`)
  }
  return readMcpResult(result as CallToolResult)
}

/** Undefined for a failure of the connection rather than of the request. */
function rpcCodeOf(error: unknown): number | undefined {
  return error instanceof Error && error.name === "McpError" && "code" in error ? Number(error.code) : undefined
}

function wordsOf(error: unknown): string {
  // The library puts its prefix before what is thrown and, at the other end, before what arrives.
  return error instanceof Error ? error.message.replace(/^(MCP error -?\d+: )+/, "") : String(error)
}
