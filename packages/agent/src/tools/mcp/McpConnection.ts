import type { Client } from "@modelcontextprotocol/sdk/client/index.js"
import type { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js"
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js"
import { boundBody } from "./boundBody.ts"
import type { McpServerConfig, McpStdioConfig } from "./McpServerConfig.ts"

/** One message of a server: a file of some megabytes, in base64. */
const MOST_BYTES = 16 * 2 ** 20
/** Of what a program wrote to its standard error before it failed. */
const MOST_WORDS = 500

/**
 * A connection to an MCP server that is made when it is needed, and anew after it broke.
 *
 * Who asks while one is being made waits for the same one.
 */
export class McpConnection {
  readonly #config: McpServerConfig
  #client: Promise<Client> | undefined
  readonly #closing = new AbortController()

  constructor(config: McpServerConfig) {
    this.#config = config
  }

  /** @throws what the library throws (rejects), with the program's last words */
  client(): Promise<Client> {
    if (this.#closing.signal.aborted) return Promise.reject(new Error("the connection is closed"))
    if (this.#client !== undefined) return this.#client
    const client = connect(this.#config, () => this.#forget(client), this.#closing.signal)
    this.#client = client
    client.catch(() => this.#forget(client))
    return client
  }

  /** Ends a connection that failed, and not the one that may have taken its place: the next call makes another. */
  async drop(client: Promise<Client>): Promise<void> {
    this.#forget(client)
    await client.then((open) => open.close()).catch(() => {})
  }

  async close(): Promise<void> {
    // One that is being made is not waited for: its server may never answer.
    this.#closing.abort(new Error("the connection is closed"))
    if (this.#client !== undefined) await this.drop(this.#client)
  }

  #forget(client: Promise<Client>): void {
    if (this.#client === client) this.#client = undefined
  }
}

async function connect(config: McpServerConfig, onClose: () => void, signal: AbortSignal): Promise<Client> {
  // Loaded where a server is configured: it is large.
  const { Client } = await import("@modelcontextprotocol/sdk/client/index.js")
  const client = new Client({ name: "consilium", version: "0.1.0" })
  // oxlint-disable-next-line unicorn/prefer-add-event-listener -- the library's clients are no event targets
  client.onclose = onClose
  const { transport, lastWords } = await openTransport(config)
  closeOnce(transport)
  try {
    await client.connect(transport, { timeout: config.timeoutMs, signal })
    return client
  } catch (error) {
    await transport.close().catch(() => {})
    throw new Error([error instanceof Error ? error.message : String(error), lastWords()].join("\n").trim(), {
      cause: error,
    })
  }
}

/** The library closes what it cannot connect to without waiting: whoever closes it again waits for a program's end. */
function closeOnce(transport: Transport): void {
  const close = transport.close.bind(transport)
  let closing: Promise<void> | undefined
  transport.close = () => (closing ??= close())
}

interface OpenTransport {
  readonly transport: Transport
  readonly lastWords: () => string
}

async function openTransport(config: McpServerConfig): Promise<OpenTransport> {
  if (config.kind === "stdio") return openProgram(config)
  const { StreamableHTTPClientTransport } = await import("@modelcontextprotocol/sdk/client/streamableHttp.js")
  const transport = new StreamableHTTPClientTransport(new URL(config.url), {
    requestInit: { headers: { ...config.headers } },
    redirectPolicy: "same-origin",
    fetch: async (url, init) => boundBody(await fetch(url, init), init?.method === "POST" ? MOST_BYTES : Infinity),
  })
  // The library's types say `sessionId?: string` where its class has `string | undefined`.
  return { transport: transport as Transport, lastWords: () => "" }
}

async function openProgram({ command, args, env }: McpStdioConfig): Promise<OpenTransport> {
  const { StdioClientTransport } = await import("@modelcontextprotocol/sdk/client/stdio.js")
  const transport = new StdioClientTransport({
    command,
    args: [...args],
    env: { ...env },
    stderr: "pipe",
    maxBufferSize: MOST_BYTES,
  })
  return { transport, lastWords: listen(transport) }
}

/** Its standard error must be read, lest the program waits for a reader. */
function listen(transport: StdioClientTransport): () => string {
  let words = ""
  transport.stderr?.on("data", (chunk: Buffer) => {
    words = (words + chunk.toString()).slice(-MOST_WORDS)
  })
  return () => words
}
