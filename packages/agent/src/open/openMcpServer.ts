import { Effect, type Scope } from "effect"
import type { McpSettings } from "../config/AgentSettings.ts"
import type { AgentTool } from "../tools/AgentTool.ts"
import { type McpServerConfig, McpServerError } from "../tools/mcp/McpServerConfig.ts"
import { nameMcpTools } from "../tools/mcp/nameMcpTools.ts"
import { openMcpTools } from "../tools/mcp/openMcpTools.ts"
import { type Environment, keyHeader, readKey } from "./readKey.ts"

/**
 * Connects to an MCP server, and returns the tools that settings allow.
 *
 * @throws AgentSettingsError where the environment lacks a variable
 */
export const openMcpServer = Effect.fn("openMcpServer")(function* (
  settings: McpSettings,
  environment: Environment,
): Effect.fn.Return<readonly AgentTool[], McpServerError, Scope.Scope> {
  const config = configOf(settings, environment)
  const tools = yield* openMcpTools(config)
  const { tools: wanted, name } = settings
  if (wanted === undefined) return tools
  const names = nameMcpTools(name, wanted)
  const allowed = tools.filter((tool) => names.includes(tool.name))
  if (allowed.length === wanted.length) return allowed
  const found = tools.map((tool) => tool.name).join(", ")
  return yield* new McpServerError({ server: name, message: `expected the tools ${wanted.join(", ")}, found ${found}` })
})

function configOf(settings: McpSettings, environment: Environment): McpServerConfig {
  const { tools: _tools, ...base } = settings
  if (base.kind === "stdio") {
    const named = base.env.map((variable) => [variable, readKey(variable, environment, base.name)])
    return { ...base, env: Object.fromEntries(named) }
  }
  const { key, ...http } = base
  const header = key && keyHeader(key, environment, base.name)
  return { ...http, headers: header === undefined ? {} : { [header.header]: header.value } }
}
