import { afterAll, expect, test } from "bun:test"
import { gzipSync } from "node:zlib"
import { ToolError } from "../AgentTool.ts"
import { fetchSafely, type FetchRules, type Resolve, type SafeRequest } from "./fetchSafely.ts"

const GET: SafeRequest = { method: "GET", headers: { "x-key": "secret" } }

const seen: { readonly path: string; readonly host: string | null; readonly key: string | null }[] = []
const never = Promise.withResolvers<void>()

const other = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: answer })
const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: answer })
const host = `127.0.0.1:${server.port}`

async function answer(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url)
  seen.push({ path: pathname, host: request.headers.get("host"), key: request.headers.get("x-key") })
  switch (pathname) {
    case "/never":
      await never.promise
      return new Response()
    case "/endless":
      return new Response(new ReadableStream({ pull: (body) => body.enqueue(new Uint8Array(65_536)) }))
    case "/bomb":
      return new Response(gzipSync(new Uint8Array(5_000_000)), { headers: { "content-encoding": "gzip" } })
    case "/near":
      return Response.redirect("/")
    case "/loop":
      return Response.redirect("/loop")
    case "/other":
      return Response.redirect(`http://127.0.0.1:${other.port}/`)
    case "/metadata":
      return Response.redirect("http://169.254.169.254/latest/meta-data")
    case "/file":
      return new Response(undefined, { status: 302, headers: { location: "file:///etc/passwd" } })
    default:
      return new Response("hello", { headers: { "content-type": "Text/Plain; charset=utf-8" } })
  }
}

afterAll(async () => {
  never.resolve()
  await Promise.all([server.stop(true), other.stop(true)])
})

const RULES: FetchRules = { timeoutMs: 2000, maxBytes: 100_000, allowHosts: [host] }

async function refusal(
  url: string,
  rules: Partial<FetchRules> = {},
  request: SafeRequest = GET,
  resolve?: Resolve,
  signal = new AbortController().signal,
): Promise<string> {
  try {
    const { text } = await fetchSafely(url, request, { ...RULES, ...rules }, signal, resolve)
    return `answered ${text}`
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    return error.message
  }
}

test("fetchSafely: answers of an allowed host come with status, type and text", async () => {
  const response = await fetchSafely(`http://${host}/`, GET, RULES, new AbortController().signal)
  expect(response).toEqual({ status: 200, contentType: "text/plain", text: "hello" })
})

test.each([
  `http://127.0.0.1:${server.port}/`,
  `http://localhost:${server.port}/`,
  `http://2130706433:${server.port}/`,
  `http://0x7f.1:${server.port}/`,
  `http://0177.0.0.1:${server.port}/`,
  `http://127.1:${server.port}/`,
  `http://１２７.0.0.1:${server.port}/`,
  `http://0:${server.port}/`,
  `http://[::1]:${server.port}/`,
  `http://[::ffff:127.0.0.1]:${server.port}/`,
  "http://169.254.169.254/latest/meta-data",
  "http://10.0.0.1/",
])("fetchSafely: %s is refused and never asked", async (url) => {
  const numSeen = seen.length
  expect(await refusal(url, { allowHosts: [] })).toEndWith(
    "is not on the public internet: allow the host in the settings if it is yours",
  )
  expect(seen.length).toBe(numSeen)
})

test("fetchSafely: a name is refused where one of its addresses is private", async () => {
  const resolve = async () => ["8.8.8.8", "192.168.1.1"]
  expect(await refusal("http://rebound.example/", {}, GET, resolve)).toStartWith("rebound.example is not on the public")
})

test("fetchSafely: connects to the address that was checked, under the name that was asked", async () => {
  let numLookups = 0
  const resolve = async () => (numLookups++ === 0 ? ["127.0.0.1"] : ["169.254.169.254"])
  const name = `searx.example:${server.port}`
  expect(await refusal(`http://${name}/`, { allowHosts: ["Searx.example"] }, GET, resolve)).toBe("answered hello")
  expect(numLookups).toBe(1)
  expect(seen.at(-1)?.host).toBe(name)
})

test("fetchSafely: tries the next address where nothing listens at the first", async () => {
  const resolve = async () => ["127.0.0.2", "127.0.0.1"]
  const name = `searx.example:${server.port}`
  expect(await refusal(`http://${name}/`, { allowHosts: [name] }, GET, resolve)).toBe("answered hello")
})

test("fetchSafely: follows a redirect within an allowed host, and not for ever", async () => {
  expect(await refusal(`http://${host}/near`)).toBe("answered hello")
  expect(await refusal(`http://${host}/loop`)).toBe(`${host} redirects more than 3 times`)
})

test.each([
  ["/metadata", "169.254.169.254 is not on the public internet: allow the host in the settings if it is yours"],
  ["/other", `127.0.0.1:${other.port} is not on the public internet: allow the host in the settings if it is yours`],
  ["/file", "expected an http or https address, found file:"],
])("fetchSafely: a redirect to where it may not go is refused: %s", async (path, message) => {
  expect(await refusal(`http://${host}${path}`)).toBe(message)
})

test("fetchSafely: a private host that is allowed is closed to redirects from elsewhere", async () => {
  const resolve = async () => ["127.0.0.1"]
  const rules = { allowHosts: [`searx.example:${server.port}`, "127.0.0.1"] }
  expect(await refusal(`http://searx.example:${server.port}/other`, rules, GET, resolve)).toStartWith(
    `127.0.0.1:${other.port} is not on the public internet`,
  )
})

test("fetchSafely: headers stay at home when a redirect leaves the origin", async () => {
  expect(await refusal(`http://${host}/other`, { allowHosts: ["127.0.0.1"] })).toBe("answered hello")
  expect(seen.slice(-2).map(({ key }) => key)).toEqual(["secret", null])
})

test("fetchSafely: a redirect of what changes something is refused", async () => {
  const post: SafeRequest = { method: "POST", headers: {}, body: "{}" }
  expect(await refusal(`http://${host}/near`, {}, post)).toBe(`${host} redirects a POST: use its final address`)
})

test("fetchSafely: who does not answer in time is left", async () => {
  expect(await refusal(`http://${host}/never`, { timeoutMs: 50 })).toBe(`timeout: ${host} took longer than 50 ms`)
  const resolve = () => Promise.withResolvers<readonly string[]>().promise
  expect(await refusal("http://slow.example/", { timeoutMs: 50 }, GET, resolve)).toBe(
    "timeout: slow.example took longer than 50 ms",
  )
})

test("fetchSafely: ends when its caller leaves", async () => {
  const leaving = new AbortController()
  const answer = refusal(`http://${host}/never`, {}, GET, undefined, leaving.signal)
  leaving.abort()
  expect(await answer).toBe("the call was cancelled")
  expect(await refusal(`http://${host}/`, {}, GET, undefined, leaving.signal)).toBe("the call was cancelled")
})

test.each(["/endless", "/bomb"])("fetchSafely: a body beyond the limit is refused, unpacked: %s", async (path) => {
  expect(await refusal(`http://${host}${path}`)).toBe("the response is larger than 100000 bytes")
})

test.each([
  ["file:///etc/passwd", "expected an http or https address, found file:"],
  ["ftp://example.com/", "expected an http or https address, found ftp:"],
  ["data:text/plain,hi", "expected an http or https address, found data:"],
  ["http://user:pass@example.com/", "an address with a password is not requested"],
  ["http://user@example.com/", "an address with a password is not requested"],
  ["no address", "expected an address such as https://example.com/, found none"],
])("fetchSafely: refuses %s", async (url, message) => expect(await refusal(url)).toBe(message))

test("fetchSafely: a failure names the host, and neither path nor key", async () => {
  const closed = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() })
  const { port } = closed
  await closed.stop(true)
  const rules = { allowHosts: ["127.0.0.1"] }
  expect(await refusal(`http://127.0.0.1:${port}/path?key=secret`, rules)).toBe(`connection refused: 127.0.0.1:${port}`)
  const resolve = () => Promise.reject(Object.assign(new Error("secret"), { code: "ENOTFOUND" }))
  expect(await refusal("http://nowhere.example/secret", {}, GET, resolve)).toBe("unknown host: nowhere.example")
})
