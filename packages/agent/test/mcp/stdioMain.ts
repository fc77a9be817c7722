/** An MCP server over standard input and output. */
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js"
import { createFixtureServer } from "./createFixtureServer.ts"

console.error("fixture starts")
if (process.env["FIXTURE_FAILS"] !== undefined) process.exit(3)
await createFixtureServer(() => process.exit(1)).connect(new StdioServerTransport())
