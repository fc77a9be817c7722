import { type AgentTool, ToolError, type ToolResult } from "../AgentTool.ts"
import { fetchSafely, type FetchRules, type SafeRequest, type SafeResponse } from "./fetchSafely.ts"
import { type Arguments, asText, fillBody, fillUrl, placeholdersOf } from "./fillTemplate.ts"

/** One of the user's own endpoints, as a tool. */
export interface HttpToolOptions {
  readonly name: string
  readonly description: string
  /** JSON schema of an object. */
  readonly parameters: Readonly<Record<string, unknown>>
  readonly method: SafeRequest["method"]
  /** `{name}` in its path and query stands for an argument, which is encoded. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** `{name}` stands for an argument's JSON; undefined sends the arguments that the address does not name. */
  readonly body: string | undefined
  /** A header that holds a secret: its value is taken out of whatever comes back. */
  readonly key: { readonly header: string; readonly value: string } | undefined
  /** It changes something: a person confirms each call. */
  readonly changes: boolean
  readonly rules: FetchRules
}

/** Of an answer that is an error. */
const MOST_ERROR = 300

/**
 * Creates a tool that calls an endpoint.
 *
 * Arguments that neither address nor body names go into the query of GET and DELETE, and into a JSON body otherwise.
 *
 * @throws ToolError where the address is none, or arguments stand in its scheme or host
 */
export function createHttpTool(options: HttpToolOptions): AgentTool {
  const origin = originOf(options.url)
  return {
    name: options.name,
    description: options.description,
    parameters: options.parameters,
    changes: options.changes,
    timeoutMs: options.rules.timeoutMs,
    run: async (args, { signal }) => {
      const { url, ...request } = buildRequest(options, args)
      const response = await fetchSafely(url.href, request, options.rules, signal)
      return readResult(response, options, origin)
    },
  }
}

function originOf(template: string): string {
  const origin = /^https?:\/\/[^/?#]+/i.exec(template)?.[0]
  if (origin === undefined || !URL.canParse(origin)) {
    throw new ToolError(`expected an http or https address, found "${template}"`)
  }
  if (/[{}]/.test(origin)) throw new ToolError(`an argument chooses no host: take the braces out of "${origin}"`)
  return origin
}

function buildRequest(options: HttpToolOptions, args: Arguments): SafeRequest & { readonly url: URL } {
  const { method, key } = options
  const url = fillUrl(options.url, args)
  const headers = { ...options.headers, ...(key === undefined ? {} : { [key.header]: key.value }) }
  if (options.body !== undefined) {
    return {
      url,
      method,
      headers: { "content-type": "application/json", ...headers },
      body: fillBody(options.body, args),
    }
  }
  const inUrl = new Set(placeholdersOf(options.url))
  const rest = Object.entries(args).filter(([name, value]) => !inUrl.has(name) && value !== undefined)
  if (method === "GET" || method === "DELETE") {
    for (const [name, value] of rest) url.searchParams.append(name, asText(value))
    return { url, method, headers }
  }
  const body = JSON.stringify(Object.fromEntries(rest))
  return { url, method, headers: { "content-type": "application/json", ...headers }, body }
}

function readResult(response: SafeResponse, { name, key }: HttpToolOptions, origin: string): ToolResult {
  const shown = withoutKey(readableText(response), key?.value)
  if (response.status < 200 || response.status > 299) {
    throw new ToolError(`${name} answered ${response.status}: ${shown.slice(0, MOST_ERROR)}`)
  }
  return { text: shown === "" ? "done" : shown, sources: [{ title: name, location: origin }] }
}

function readableText({ contentType, text }: SafeResponse): string {
  const isText = contentType === "" || /^text\/|[/+](json|xml|yaml|csv|x-ndjson)$/.test(contentType)
  return isText ? text.trim() : `(${contentType}, not shown)`
}

/** Some endpoints echo the headers of a request. */
function withoutKey(text: string, value: string | undefined): string {
  if (value === undefined) return text
  const secret = value.replace(/^(Bearer|Basic|Token) /i, "")
  return secret === "" ? text : text.replaceAll(secret, "***")
}
