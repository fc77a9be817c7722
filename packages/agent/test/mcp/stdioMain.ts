/** An MCP server over standard input and output. */
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js"
import type { Tool } from "@modelcontextprotocol/sdk/types.js"
import { createFixtureServer } from "./createFixtureServer.ts"

console.error("fixture starts")
if (process.env["FIXTURE_FAILS"] !== undefined) process.exit(3)
const more = JSON.parse(process.env["FIXTURE_TOOLS"] ?? "[]") as readonly Tool[]
await createFixtureServer(() => process.exit(1), more).connect(new StdioServerTransport())
