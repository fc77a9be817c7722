import { Option, Schema } from "effect"
import { ToolError } from "../AgentTool.ts"
import { type FetchRules, fetchSafely, type SafeRequest, type SafeResponse } from "./fetchSafely.ts"

/**
 * Requests JSON of a given shape, by the rules of `fetchSafely`.
 *
 * @param service its name, for errors
 * @throws ToolError (rejects) also for a status that is no success, and for any other shape
 */
export async function fetchJson<A>(
  service: string,
  shape: Schema.Codec<A, unknown>,
  url: URL,
  headers: SafeRequest["headers"],
  rules: FetchRules,
  signal: AbortSignal,
): Promise<A> {
  const request: SafeRequest = { method: "GET", headers: { accept: "application/json", ...headers } }
  const response = await fetchSafely(url.href, request, rules, signal)
  refuseStatus(service, response.status)
  return Option.getOrThrowWith(
    Schema.decodeUnknownOption(shape)(parse(response)),
    () => new ToolError(`${service} answered in a form that is not expected`),
  )
}

function parse(response: SafeResponse): unknown {
  try {
    return JSON.parse(response.text)
  } catch {
    return undefined
  }
}

function refuseStatus(service: string, status: number): void {
  if (status >= 200 && status <= 299) return
  if (status === 401 || status === 403) throw new ToolError(`permission denied by ${service}: check its key`)
  if (status === 429) throw new ToolError(`rate limit exceeded at ${service}`)
  if (status >= 500) throw new ToolError(`service unavailable: ${service} answered ${status}`)
  throw new ToolError(`${service} answered ${status}`)
}
