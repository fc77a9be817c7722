import type { FetchRules } from "../src/tools/http/fetchSafely.ts"

interface FakeRequest {
  readonly url: URL
  readonly method: string
  readonly headers: Headers
  readonly body: string
}

interface FakeService {
  readonly url: string
  /** Allow the service, and wait for it half a second. */
  readonly rules: FetchRules
  /** Of every request, oldest first. */
  readonly requests: readonly FakeRequest[]
  /** What the next requests are answered with, one each; the last one again and again. */
  readonly say: (...answers: readonly (() => Response | Promise<Response>)[]) => void
  readonly stop: () => Promise<void>
}

/** Starts a service on this machine that answers whatever a test wants. */
export function startFakeService(): FakeService {
  const requests: FakeRequest[] = []
  let answers: readonly (() => Response | Promise<Response>)[] = []
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) => {
      // A request is emptied once it is answered.
      const { url, method, headers } = request
      requests.push({ url: new URL(url), method, headers: new Headers(headers), body: await request.text() })
      const [next] = answers
      if (answers.length > 1) answers = answers.slice(1)
      return next?.() ?? new Response("nothing to say", { status: 500 })
    },
  })
  const host = `127.0.0.1:${server.port}`
  return {
    url: `http://${host}`,
    rules: { timeoutMs: 500, maxBytes: 100_000, allowHosts: [host] },
    requests,
    say: (...next) => void (answers = next),
    stop: () => server.stop(true),
  }
}

/** What services do wrong, with the words that a tool says then. */
export const FAILURES: readonly (readonly [name: string, answer: () => Response | Promise<Response>, words: RegExp])[] =
  [
    ["an error", () => new Response("secret stack", { status: 503 }), /^service unavailable: .* answered 503$/],
    ["a refused key", () => new Response("", { status: 401 }), /^permission denied by .*: check its key$/],
    ["too many requests", () => new Response("", { status: 429 }), /^rate limit exceeded at /],
    ["an unknown page", () => new Response("", { status: 404 }), / answered 404$/],
    ["no JSON", () => new Response("<html>"), /answered in a form that is not expected$/],
    ["JSON of another shape", () => Response.json({ results: 7, web: [] }), /answered in a form that is not expected$/],
    ["a huge body", () => new Response("x".repeat(100_001)), /^the response is larger than 100000 bytes$/],
    ["a way to a private address", () => Response.redirect("http://10.0.0.1/"), /^10\.0\.0\.1 is not on the public/],
    ["silence", () => Promise.withResolvers<Response>().promise, /^timeout: .* took longer than 500 ms$/],
  ]
