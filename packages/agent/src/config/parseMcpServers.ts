import type { TableReader } from "@consilium/fleet"
import type { McpSettings } from "./AgentSettings.ts"
import { parseAddress, parseKey } from "./parseProviders.ts"

const NAME = /^[\w-]{1,32}$/
const VARIABLE = /^[A-Za-z_]\w*$/
const USUAL_TIMEOUT_MS = 20_000

/** Reads an agent's MCP servers, by their names. @throws TableError */
export function parseMcpServers(table: TableReader | undefined): readonly McpSettings[] {
  if (table === undefined) return []
  return table.keys.map((name) => {
    if (!NAME.test(name)) table.fail(name, "a name of 1 to 32 letters, digits, _ or -")
    const own = table.table(name)!
    const server = parseServer(name, own)
    own.end()
    return server
  })
}

function parseServer(name: string, table: TableReader): McpSettings {
  const base = {
    name,
    isTrusted: table.flag("trusted") ?? false,
    timeoutMs: table.duration("timeout") ?? USUAL_TIMEOUT_MS,
    tools: table.has("tools") ? parseTools(table) : undefined,
  }
  const url = parseAddress(table, "url")
  const command = table.text("command")
  if ((url === undefined) === (command === undefined)) return table.fail("command", "either a command or a url")
  if (command === undefined) return { ...base, kind: "http", url: url!, key: parseKey(table) }
  return { ...base, kind: "stdio", command, args: table.texts("args"), env: parseVariables(table) }
}

function parseTools(table: TableReader): readonly string[] {
  const names = table.texts("tools")
  return new Set(names).size === names.length ? names : table.fail("tools", "each name once")
}

function parseVariables(table: TableReader): readonly string[] {
  const names = table.texts("env")
  return names.every((name) => VARIABLE.test(name)) ? names : table.fail("env", "names of environment variables")
}
