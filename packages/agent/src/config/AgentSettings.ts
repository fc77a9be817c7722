import type { EmbedderConfig } from "@consilium/fleet"
import type { AgentConfig } from "../run/AgentConfig.ts"

/** Where an agent learns the weather. */
export type WeatherSettings =
  | { readonly provider: "offline" }
  | {
      readonly provider: "open-meteo"
      readonly geocodingUrl: string
      readonly forecastUrl: string
      /** The variable that holds the key; undefined for the free endpoints. */
      readonly keyEnv: string | undefined
    }

/** Where an agent searches. */
export type SearchSettings = {
  /** Most results of one search: small models read one best. */
  readonly numResults: number
} & (
  | { readonly provider: "offline" }
  | { readonly provider: "searxng"; readonly url: string }
  | { readonly provider: "brave"; readonly url: string; readonly keyEnv: string }
)

/** One of the user's own endpoints, as a tool. */
export interface HttpToolSettings {
  readonly name: string
  readonly description: string
  /** JSON schema of an object. */
  readonly parameters: Readonly<Record<string, unknown>>
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE"
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
  readonly key: { readonly header: string; readonly env: string } | undefined
  readonly changes: boolean
  readonly timeoutMs: number | undefined
}

interface McpBase {
  readonly name: string
  readonly isTrusted: boolean
  readonly timeoutMs: number
  /** The server's names of those that the agent may call; undefined for all. */
  readonly tools: readonly string[] | undefined
}

/** An MCP server whose tools the agent may call. */
export type McpSettings =
  | (McpBase & {
      readonly kind: "stdio"
      readonly command: string
      readonly args: readonly string[]
      /** Variables of the service's environment that the program gets. */
      readonly env: readonly string[]
    })
  | (McpBase & {
      readonly kind: "http"
      readonly url: string
      readonly key: { readonly header: string; readonly env: string } | undefined
    })

/** An agent as its table describes it: keys are named, not held. */
export interface AgentSettings {
  /** `tools` are those of the house and the HTTP tools; MCP servers add theirs when they are connected to. */
  readonly config: AgentConfig
  /** `auto` or an expert of a fleet; undefined is the model that is served, or `auto`. */
  readonly model: string | undefined
  /** Tokens that the model's prompt and answer may take; undefined leaves it to the model. */
  readonly contextLength: number | undefined
  /** Documents, and folders of them. */
  readonly knowledge: readonly string[]
  /** What finds documents by meaning too; undefined leaves it to words. */
  readonly embedder: EmbedderConfig | undefined
  readonly weather: WeatherSettings
  readonly search: SearchSettings
  readonly http: readonly HttpToolSettings[]
  readonly mcp: readonly McpSettings[]
  /** Hosts with private addresses that its tools may ask. */
  readonly allowHosts: readonly string[]
}
