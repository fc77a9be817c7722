import { lookup } from "node:dns/promises"
import { isIP } from "node:net"
import { ToolError } from "../AgentTool.ts"
import { isPublicAddress } from "./isPublicAddress.ts"

/** What a request may take, and where it may go besides the public internet. */
export interface FetchRules {
  /** For the whole of it: names, redirects and body. */
  readonly timeoutMs: number
  /** Of the response's body, unpacked. */
  readonly maxBytes: number
  /** Hosts, as `host` or `host:port`, that may have private addresses: the user's own endpoints. */
  readonly allowHosts: readonly string[]
}

export const DEFAULT_FETCH_RULES: FetchRules = { timeoutMs: 8000, maxBytes: 2 ** 20, allowHosts: [] }

export interface SafeRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE"
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

export interface SafeResponse {
  readonly status: number
  /** Without parameters, in lower case. */
  readonly contentType: string
  readonly text: string
}

const MOST_REDIRECTS = 3

/** Returns the addresses of a host. */
export type Resolve = (host: string) => Promise<readonly string[]>

/**
 * Requests an address of the public internet, or of a host that the rules allow.
 *
 * Every address of a name is checked, and the connection goes to the one that was checked: a name that resolves otherwise a moment
 * later changes nothing. Redirects are followed for GET only, each checked anew, without the headers once the origin changes; the
 * allowed private hosts are open to the first address only, not to redirects from elsewhere.
 *
 * @throws ToolError (rejects), in words that hold neither headers nor the address's path
 */
export async function fetchSafely(
  url: string,
  request: SafeRequest,
  rules: FetchRules,
  signal: AbortSignal,
  resolve: Resolve = resolveByDns,
): Promise<SafeResponse> {
  const first = parseUrl(url)
  const timeUp = AbortSignal.timeout(rules.timeoutMs)
  const either = AbortSignal.any([signal, timeUp])
  try {
    return await follow(first, request, rules, either, resolve)
  } catch (error) {
    if (signal.aborted) throw new ToolError("the call was cancelled")
    if (timeUp.aborted) throw new ToolError(`timeout: ${first.host} took longer than ${rules.timeoutMs} ms`)
    throw error instanceof ToolError ? error : inWords(error, first.host)
  }
}

async function follow(
  first: URL,
  request: SafeRequest,
  rules: FetchRules,
  signal: AbortSignal,
  resolve: Resolve,
): Promise<SafeResponse> {
  let url = first
  let headers = request.headers
  for (let numRedirects = 0; ; numRedirects++) {
    const isAllowed = url.hostname === first.hostname && isListed(url, rules.allowHosts)
    const addresses = await untilAborted(checkedAddresses(url, isAllowed, resolve), signal)
    const response = await connect(url, addresses, { ...request, headers }, signal)
    const next = response.headers.get("location")
    if (response.status < 300 || response.status > 399 || next === null) return await readResponse(response, rules)
    await response.body?.cancel()
    if (request.method !== "GET")
      throw new ToolError(`${url.host} redirects a ${request.method}: use its final address`)
    if (numRedirects === MOST_REDIRECTS)
      throw new ToolError(`${first.host} redirects more than ${MOST_REDIRECTS} times`)
    const target = parseUrl(next, url.href)
    if (target.origin !== url.origin) headers = {}
    url = target
  }
}

function parseUrl(text: string, base?: string): URL {
  const url = URL.parse(text, base)
  if (url === null) throw new ToolError("expected an address such as https://example.com/, found none")
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    throw new ToolError(`expected an http or https address, found ${url.protocol}`)
  }
  if (url.username !== "" || url.password !== "") throw new ToolError("an address with a password is not requested")
  return url
}

function isListed({ host, hostname }: URL, allowHosts: readonly string[]): boolean {
  return allowHosts.map((name) => name.toLowerCase()).some((name) => name === host || name === hostname)
}

/** The URL's own parser has made plain addresses of decimal, octal and hexadecimal ones. */
async function checkedAddresses(url: URL, isAllowed: boolean, resolve: Resolve): Promise<readonly string[]> {
  const host = url.hostname.replace(/^\[|\]$/g, "")
  const addresses = isIP(host) === 0 ? await resolve(host) : [host]
  if (addresses.length === 0) throw new ToolError(`the host ${url.hostname} has no address`)
  if (!isAllowed && !addresses.every(isPublicAddress)) {
    throw new ToolError(`${url.host} is not on the public internet: allow the host in the settings if it is yours`)
  }
  return addresses
}

async function resolveByDns(host: string): Promise<readonly string[]> {
  // Where IPv6 leads nowhere, it takes all the time there is.
  const found = await lookup(host, { all: true, order: "ipv4first" })
  return found.map(({ address }) => address)
}

async function connect(
  url: URL,
  addresses: readonly string[],
  request: SafeRequest,
  signal: AbortSignal,
): Promise<Response> {
  const target = new URL(url)
  for (const [index, address] of addresses.entries()) {
    target.hostname = address.includes(":") ? `[${address}]` : address
    try {
      return await fetch(target, {
        method: request.method,
        headers: { ...request.headers, host: url.host },
        ...(request.body === undefined ? {} : { body: request.body }),
        redirect: "manual",
        // Connections are kept by address, and one address serves many names.
        keepalive: false,
        ...(url.hostname === target.hostname ? {} : { tls: { serverName: url.hostname } }),
        signal,
      })
    } catch (error) {
      if (signal.aborted || !isUnreachable(error) || index === addresses.length - 1) throw error
    }
  }
  throw new Error("no address to connect to")
}

/** Nothing was sent, so that another address may be tried. */
function isUnreachable(error: unknown): boolean {
  return ["ECONNREFUSED", "ENETUNREACH", "EHOSTUNREACH"].includes(codeOf(error))
}

async function readResponse(response: Response, { maxBytes }: FetchRules): Promise<SafeResponse> {
  const contentType = (response.headers.get("content-type") ?? "").split(";")[0]!.trim().toLowerCase()
  const decoder = new TextDecoder()
  let text = ""
  let numBytes = 0
  for await (const chunk of response.body ?? []) {
    numBytes += chunk.byteLength
    if (numBytes > maxBytes) throw new ToolError(`the response is larger than ${maxBytes} bytes`)
    text += decoder.decode(chunk, { stream: true })
  }
  return { status: response.status, contentType, text: text + decoder.decode() }
}

/** Looking up a name cannot be stopped: it is left alone. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const stop = () => reject(signal.reason)
  if (signal.aborted) stop()
  else signal.addEventListener("abort", stop, { once: true })
  return Promise.race([work, promise]).finally(() => signal.removeEventListener("abort", stop))
}

const WORDS: ReadonlyMap<string, string> = new Map([
  ["ECONNREFUSED", "connection refused"],
  ["ENETUNREACH", "network is unreachable"],
  ["EHOSTUNREACH", "network is unreachable"],
  ["ENOTFOUND", "unknown host"],
  ["EAI_AGAIN", "no network connection"],
  ["ECONNRESET", "connection reset"],
])

function inWords(error: unknown, host: string): ToolError {
  const code = codeOf(error)
  return new ToolError(`${WORDS.get(code) ?? `fetch failed (${code})`}: ${host}`)
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown reason"
}
