import type { TableReader } from "@consilium/fleet"
import { compileCheck } from "../tools/checkArguments.ts"
import type { HttpToolSettings } from "./AgentSettings.ts"
import { isAddress, parseKey } from "./parseProviders.ts"

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const
const NAME = /^[\w-]{1,64}$/
const NO_ARGUMENTS = { type: "object", properties: {} }

/**
 * Reads an agent's HTTP tools, by their names.
 *
 * @param taken names of the house's own
 * @throws TableError
 */
export function parseHttpTools(table: TableReader | undefined, taken: readonly string[]): readonly HttpToolSettings[] {
  if (table === undefined) return []
  return table.keys.map((name) => {
    if (!NAME.test(name)) table.fail(name, "a name of 1 to 64 letters, digits, _ or -")
    if (taken.includes(name)) table.fail(name, `a name that is not one of ${taken.join(", ")}`)
    return parseHttpTool(name, table.table(name)!)
  })
}

function parseHttpTool(name: string, table: TableReader): HttpToolSettings {
  const method = table.oneOf("method", METHODS) ?? "GET"
  const tool: HttpToolSettings = {
    name,
    description: table.neededText("description"),
    parameters: parseParameters(table),
    method,
    url: parseTemplate(table),
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

/** Arguments may stand in its path and query: the address itself is checked without them. */
function parseTemplate(table: TableReader): string {
  const url = table.neededText("url")
  const origin = /^[^/]*\/\/[^/?#]*/.exec(url)?.[0] ?? ""
  if (isAddress(origin) && !/[{}]/.test(origin)) return url
  return table.fail("url", "an http or https address without a name or {…} in its host")
}

function parseParameters(table: TableReader): Readonly<Record<string, unknown>> {
  const schema = table.values("parameters") ?? NO_ARGUMENTS
  if (schema["type"] !== "object") table.fail("parameters", 'a JSON schema of type "object"')
  try {
    compileCheck(schema)
    return schema
  } catch (error) {
    return table.fail("parameters", `a JSON schema (${(error as Error).message})`)
  }
}
