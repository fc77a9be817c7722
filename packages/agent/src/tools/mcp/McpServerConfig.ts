import { Data } from "effect"

interface McpServerBase {
  /** Before the names of its tools; letters, digits, `_` or `-`. */
  readonly name: string
  /** Its tools are called without a person's word, whatever they say of themselves. */
  readonly isTrusted: boolean
  /** For connecting, and for each call. */
  readonly timeoutMs: number
  /** The server's own names of those that are wanted; undefined for all. */
  readonly tools?: readonly string[] | undefined
}

/** A program on this machine that is spoken to over its standard input and output. */
export interface McpStdioConfig extends McpServerBase {
  readonly kind: "stdio"
  readonly command: string
  readonly args: readonly string[]
  /** Besides PATH, HOME and the like; nothing else of the service's own environment reaches it. */
  readonly env: Readonly<Record<string, string>>
}

/** A service that speaks streamable HTTP. It is the user's own choice, so that private addresses are fine. */
export interface McpHttpConfig extends McpServerBase {
  readonly kind: "http"
  readonly url: string
  /** They may hold a key: redirects within its origin alone are followed. */
  readonly headers: Readonly<Record<string, string>>
}

export type McpServerConfig = McpStdioConfig | McpHttpConfig

/** A server that cannot be used; its words are for who runs the service, not for models. */
export class McpServerError extends Data.TaggedError("McpServerError")<{
  readonly server: string
  readonly message: string
}> {}
