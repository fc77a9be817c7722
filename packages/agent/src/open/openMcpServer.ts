import { Effect, type Scope } from "effect"
import type { McpSettings } from "../config/AgentSettings.ts"
import type { AgentTool } from "../tools/AgentTool.ts"
import { type McpServerConfig, McpServerError } from "../tools/mcp/McpServerConfig.ts"
import { openMcpTools } from "../tools/mcp/openMcpTools.ts"
import { type Environment, keyHeader, readKey } from "./readKey.ts"

/**
 * Connects to an MCP server, and returns the tools that settings allow.
 *
 * @param path of its table, for errors
 * @throws AgentSettingsError where the environment lacks a variable
 */
export const openMcpServer = Effect.fn("openMcpServer")(function* (
  settings: McpSettings,
  environment: Environment,
  path: string,
): Effect.fn.Return<readonly AgentTool[], McpServerError, Scope.Scope> {
  const config = configOf(settings, environment, path)
  return yield* Effect.mapError(
    openMcpTools(config),
    ({ server, message }) => new McpServerError({ server, message: `${path}: ${message}` }),
  )
})

function configOf(settings: McpSettings, environment: Environment, path: string): McpServerConfig {
  if (settings.kind === "stdio") {
    const named = settings.env.map((variable) => [variable, readKey(variable, environment, path)])
    return { ...settings, env: Object.fromEntries(named) }
  }
  const { key, ...http } = settings
  const header = key && keyHeader(key, environment, path)
  return { ...http, headers: header === undefined ? {} : { [header.header]: header.value } }
}
