import { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js"
import { createFixtureServer } from "./createFixtureServer.ts"

interface HttpServer {
  readonly url: string
  readonly port: number
  readonly numSessions: () => number
  readonly stop: () => Promise<void>
}

/** Starts an MCP server over streamable HTTP, with sessions, for clients that bring the key. */
export function startHttpServer(key: string, port = 0): HttpServer {
  const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>()
  const open = async (): Promise<WebStandardStreamableHTTPServerTransport> => {
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => crypto.randomUUID(),
      onsessioninitialized: (id) => void sessions.set(id, transport),
    })
    await createFixtureServer(() => void http.stop(true)).connect(transport)
    return transport
  }
  const http = Bun.serve({
    port,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    fetch: async (request) => {
      if (request.headers.get("authorization") !== `Bearer ${key}`) return new Response("who?", { status: 401 })
      if (new URL(request.url).pathname === "/away") return Response.redirect("http://127.0.0.2:1/mcp", 307)
      const id = request.headers.get("mcp-session-id")
      const transport = id === null ? await open() : sessions.get(id)
      return (await transport?.handleRequest(request)) ?? new Response("no session", { status: 404 })
    },
  })
  return {
    url: `http://127.0.0.1:${http.port}/mcp`,
    port: http.port!,
    numSessions: () => sessions.size,
    stop: () => http.stop(true),
  }
}
