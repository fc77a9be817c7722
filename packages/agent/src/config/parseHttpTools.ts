import type { TableReader } from "@consilium/fleet"
import type { HttpToolSettings } from "./AgentSettings.ts"
import { parseKey } from "./parseProviders.ts"

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const
const NAME = /^[\w-]{1,64}$/
const NO_ARGUMENTS = { type: "object", properties: {} }

/** Reads an agent's HTTP tools, by their names. @throws TableError */
export function parseHttpTools(table: TableReader | undefined): readonly HttpToolSettings[] {
  if (table === undefined) return []
  return table.keys.map((name) => {
    if (!NAME.test(name)) table.fail(name, "a name of 1 to 64 letters, digits, _ or -")
    return parseHttpTool(name, table.table(name)!)
  })
}

function parseHttpTool(name: string, table: TableReader): HttpToolSettings {
  const method = table.oneOf("method", METHODS) ?? "GET"
  const url = table.neededText("url")
  // Arguments may stand in its path: the address itself is checked without them.
  if (!/^https?:\/\/[^/?#{}]+/i.test(url)) table.fail("url", "an http or https address without {…} in its host")
  const tool: HttpToolSettings = {
    name,
    description: table.neededText("description"),
    parameters: table.values("parameters") ?? NO_ARGUMENTS,
    method,
    url,
    headers: table.textsByKey("headers"),
    body: table.text("body"),
    key: parseKey(table),
    // What does not only read is confirmed, unless the table says that it need not be.
    changes: table.flag("changes") ?? method !== "GET",
    timeoutMs: table.duration("timeout"),
  }
  table.end()
  return tool
}
