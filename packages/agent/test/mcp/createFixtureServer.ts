import { Server } from "@modelcontextprotocol/sdk/server/index.js"
import {
  CallToolRequestSchema,
  type CallToolResult,
  ErrorCode,
  ListToolsRequestSchema,
  McpError,
  type Tool,
} from "@modelcontextprotocol/sdk/types.js"

const anything = { type: "object" as const }

/** In two pages. */
const TOOLS: readonly Tool[] = [
  {
    name: "add",
    description: "Adds two numbers.",
    inputSchema: { type: "object", properties: { a: { type: "number" }, b: { type: "number" } }, required: ["a", "b"] },
    annotations: { readOnlyHint: true },
  },
  { name: "write", inputSchema: anything, annotations: { readOnlyHint: false } },
  { name: "fail", inputSchema: anything },
  { name: "refuse", inputSchema: anything },
  { name: "never", inputSchema: anything },
  { name: "die", inputSchema: anything },
  { name: "show", inputSchema: anything },
  { name: "huge", inputSchema: anything },
  { name: "whoami", inputSchema: anything },
]
const FIRST_PAGE = 5

const text = (text: string): CallToolResult => ({ content: [{ type: "text", text }] })

/** Creates an MCP server whose tools do what servers do, well and badly. @param more tools, which answer with their names */
export function createFixtureServer(die: () => void, more: readonly Tool[] = []): Server {
  const server = new Server({ name: "fixture", version: "1.0.0" }, { capabilities: { tools: {} } })
  server.setRequestHandler(ListToolsRequestSchema, ({ params }) =>
    params?.cursor === "2"
      ? { tools: [...TOOLS.slice(FIRST_PAGE), ...more] }
      : { tools: TOOLS.slice(0, FIRST_PAGE), nextCursor: "2" },
  )
  server.setRequestHandler(CallToolRequestSchema, ({ params }) => {
    switch (params.name) {
      case "add":
        return text(String(Number(params.arguments?.["a"]) + Number(params.arguments?.["b"])))
      case "fail":
        return { ...text("disk full"), isError: true }
      case "refuse":
        throw new McpError(ErrorCode.InvalidParams, "no such file")
      case "never":
        return Promise.withResolvers<CallToolResult>().promise
      case "die":
        die()
        return Promise.withResolvers<CallToolResult>().promise
      case "show":
        return {
          content: [
            { type: "text", text: "See:" },
            { type: "image", data: "AAAA", mimeType: "image/png" },
            { type: "resource_link", name: "report", uri: "file:///report.md" },
            { type: "resource", resource: { uri: "file:///note.txt", text: "A note." } },
            { type: "resource", resource: { uri: "file:///data.bin", blob: "AAAA" } },
          ],
        }
      case "huge":
        return text("x".repeat(100_000))
      case "whoami":
        return { content: [], structuredContent: { pid: process.pid, names: Object.keys(process.env) } }
      default:
        return text(more.some(({ name }) => name === params.name) ? params.name : "done it")
    }
  })
  return server
}
