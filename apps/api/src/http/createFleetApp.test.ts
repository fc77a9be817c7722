/** A fleet of fake peers through HTTP, in one process. */
import { afterAll, beforeEach, describe, expect, test } from "bun:test"
import { createLearnedRouter, type RequestRouter, trainRouter } from "@consilium/fleet"
import { startFakePeer } from "@consilium/testing/peer"
import { chatRequest, openFleetService } from "../../test/openFleetService.ts"

const peers = { strong: startFakePeer(), cheap: startFakePeer() }
const TOML = `
[fleet]
[fleet.breaker]
max-failures = 1
[fleet.experts.strong]
kind = "remote"
url = "${peers.strong.url}"
model = "big"
role = "strong"
domain = "finance risk"
price = { input = 10, output = 30 }
rules = { keywords = ["VaR"] }
standby = "cheap"
[fleet.experts.cheap]
kind = "remote"
url = "${peers.cheap.url}"
model = "small"
role = "cheap"
price = { input = 0.1, output = 0.3 }
generalist = true
`
const open: (() => Promise<void>)[] = []
afterAll(async () => {
  for (const close of open) await close()
  peers.strong.stop()
  peers.cheap.stop()
})
beforeEach(() => {
  peers.strong.does({ kind: "answer", pieces: ["from ", "strong"] })
  peers.cheap.does({ kind: "answer", pieces: ["from ", "cheap"] })
})

async function openService(budgets = "", router?: RequestRouter) {
  const { close, ...service } = await openFleetService(TOML, budgets, router)
  open.push(close)
  return service
}

const headers = { authorization: "Bearer k" }
const chat = (body: object): Request => chatRequest("Our VaR?", body)
const get = (path: string): Request => new Request(`http://localhost${path}`, { headers })

interface Chunk {
  readonly choices: readonly { readonly delta?: { readonly content?: string } }[]
  readonly usage?: object
  readonly consilium?: object
}

interface Body {
  readonly model: string
  readonly choices: readonly { readonly message: { readonly content: string } }[]
  readonly usage: Record<string, number>
  readonly consilium: Record<string, unknown> & { readonly attempts: readonly Record<string, unknown>[] }
  readonly error?: Record<string, unknown>
}
const read = async (response: Response): Promise<Body> => (await response.json()) as Body

describe("a fleet through HTTP", () => {
  test("auto answers by whoever suits, and says who, why and what it cost", async () => {
    const { app } = await openService()
    const response = await app.handle(chat({}))
    expect([response.status, response.headers.get("x-consilium-expert")]).toEqual([200, "strong"])
    const { choices, usage, consilium } = await read(response)
    expect(choices[0]!.message.content).toBe("from strong")
    expect(usage).toMatchObject({ prompt_tokens: 7, completion_tokens: 2 })
    expect(consilium).toMatchObject({
      expert: "strong",
      backend: "remote",
      route: { model: "auto", why: 'rule: the words "VaR"' },
      cost: { usd: (70 + 60) / 1e6 },
      attempts: [{ expert: "strong", outcome: "answered" }],
    })
  })

  test("a stream does so too: the header with its first text, the field with its end", async () => {
    const { app } = await openService()
    const response = await app.handle(chat({ stream: true, stream_options: { include_usage: true } }))
    expect(response.headers.get("x-consilium-expert")).toBe("strong")
    const events = (await response.text()).split("\n\n").filter(Boolean)
    expect(events.at(-1)).toBe("data: [DONE]")
    const chunks = events.slice(0, -1).map((event) => JSON.parse(event.slice(6)) as Chunk)
    expect(chunks.map(({ choices }) => choices[0]?.delta?.content ?? "").join("")).toBe("from strong")
    expect(chunks.find(({ consilium }) => consilium)!.consilium).toMatchObject({ expert: "strong" })
    expect(chunks.at(-1)!.usage).toMatchObject({ completion_tokens: 2 })
  })

  test("a name addresses one expert, a share the strong or the cheap one", async () => {
    const { app } = await openService()
    const expertOf = async (model: string) => (await app.handle(chat({ model }))).headers.get("x-consilium-expert")
    expect(await expertOf("cheap")).toBe("cheap")
    expect(await expertOf("auto:1")).toBe("strong")
    expect(await expertOf("auto:0")).toBe("cheap")
    const unknown = await app.handle(chat({ model: "auto:7" }))
    expect(unknown.status).toBe(404)
    expect((await read(unknown)).error!.message).toContain('one of "strong", "cheap"')
  })

  test("failover is seen in the answer, and its cool-down by the operator", async () => {
    const { app, admin } = await openService()
    peers.strong.does({ kind: "status", status: 500 })
    const { consilium } = await read(await app.handle(chat({})))
    expect(consilium.attempts.map(({ expert, outcome }) => [expert, outcome])).toEqual([
      ["strong", "server-error"],
      ["cheap", "answered"],
    ])
    const state = (await (
      await admin.handle(new Request("http://localhost/admin/fleet", { headers: { host: "localhost" } }))
    ).json()) as { experts: { breaker: { nextProbeMs: number; sinceMs: number; history: { why: string }[] } }[] }
    const strong = state.experts[0]!
    expect(strong).toMatchObject({ name: "strong", numFailed: 1, breaker: { state: "open", numFailures: 1 } })
    expect(strong.breaker.nextProbeMs).toBeGreaterThan(strong.breaker.sinceMs)
    expect(strong.breaker.history.at(-1)!.why).toContain("status 500")
    const figures = await (await app.handle(get("/metrics"))).text()
    expect(figures).toContain('consilium_fleet_attempts_total{expert="strong",outcome="server-error"} 1')
    expect(figures).toContain('consilium_fleet_breaker_state{expert="strong"} 2')
  })

  test("when nobody can answer, the error has a status, its reason and all attempts", async () => {
    const { app } = await openService()
    peers.strong.does({ kind: "status", status: 500 })
    peers.cheap.does({ kind: "cut", pieces: ["half"] })
    for (const stream of [false, true]) {
      const service = stream ? (await openService()).app : app
      peers.cheap.does(stream ? { kind: "status", status: 503 } : { kind: "cut", pieces: ["half"] })
      const response = await service.handle(chat({ stream }))
      expect(response.status).toBe(502)
      const { error, consilium } = await read(response)
      expect(error).toMatchObject({ code: "experts_failed", type: "server_error" })
      expect(consilium.attempts.length).toBe(2)
    }
    // Everyone cools down now.
    const cooling = await app.handle(chat({}))
    expect([cooling.status, Number(cooling.headers.get("retry-after")) >= 1]).toEqual([503, true])
    expect((await read(cooling)).error!.code).toBe("experts_cooling_down")
    expect((await app.handle(get("/health"))).status).toBe(503)
  })

  test("a stream that breaks off ends in an error event", async () => {
    const { app } = await openService()
    peers.strong.does({ kind: "cut", pieces: ["half"] })
    const text = await (await app.handle(chat({ stream: true }))).text()
    const last = JSON.parse(text.trim().split("\n\n").at(-1)!.slice(6)) as Body
    expect(last.error).toMatchObject({ code: "experts_failed" })
    expect(text).not.toContain("from cheap")
    expect(last.consilium.attempts).toMatchObject([{ expert: "strong", outcome: "cut-stream" }])
  })

  test("what a client left is counted and paid for as far as it came, streamed or not", async () => {
    const { app } = await openService()
    for (const stream of [true, false]) {
      peers.strong.does({ kind: "hang", pieces: ["Once "] })
      const before = { asked: peers.strong.requests.length, left: peers.strong.numAbandoned }
      const leaving = new AbortController()
      const answer = Promise.resolve(app.handle(new Request(chat({ stream }), { signal: leaving.signal })))
      if (stream) await (await answer).body!.cancel()
      else {
        while (peers.strong.requests.length === before.asked) await Bun.sleep(1)
        leaving.abort()
        await answer
      }
      while (peers.strong.numAbandoned === before.left) await Bun.sleep(1)
    }
    const figures = await (await app.handle(get("/metrics"))).text()
    expect(figures).toContain('consilium_fleet_attempts_total{expert="strong",outcome="interrupted"} 2')
    expect(Number(/cost_usd_total\{expert="strong"\} (.*)/.exec(figures)![1])).toBeGreaterThan(0)
  })

  test("a consultation says who was heard, and how the answer was found", async () => {
    const { app } = await openService()
    peers.cheap.does({ kind: "answer", pieces: ["From ", "strong!"] })
    const { choices, consilium } = await read(await app.handle(chat({ consilium: { consult: "vote", experts: 2 } })))
    expect(choices[0]!.message.content).toBe("from strong")
    expect(consilium.consultation).toEqual({
      kind: "vote",
      answered: ["strong", "cheap"],
      missing: [],
      isPartial: false,
      decision: "2 of 2 said the same",
    })
    const synthesis = await app.handle(chat({ model: "auto:consult", stream: true }))
    expect(synthesis.headers.get("x-consilium-expert")).toBe("strong")
    expect(await synthesis.text()).toContain("strong wrote it from 2 answers")
  })

  test("an answer says what it cost, and the ledger has every attempt, on the account of who asked", async () => {
    const { app, entries } = await openService()
    peers.strong.does({ kind: "cut", pieces: ["half"] })
    const response = await app.handle(chat({ consilium: { agent: "writer" } }))
    const { consilium } = await read(response)
    expect(entries).toMatchObject([
      { expert: "strong", model: "big", domain: "finance risk", agent: "writer", outcome: "failed" },
      { expert: "cheap", model: "small", domain: "", agent: "writer", outcome: "done" },
    ])
    expect(new Set(entries.map(({ requestId }) => requestId))).toEqual(new Set([response.headers.get("x-request-id")!]))
    const [failed, done] = entries
    expect(failed!.promptTokens).toBeGreaterThan(0)
    expect(failed!.costUsd).toBeCloseTo((10 * failed!.promptTokens + 30 * failed!.generatedTokens) / 1e6, 12)
    expect(consilium).toMatchObject({ cost: { usd: failed!.costUsd + done!.costUsd } })
    expect(failed!.key).toMatch(/^[0-9a-f]{12}$/)
  })

  test("a budget of an expert sends requests to others, one of whoever asks refuses them with 402", async () => {
    const { app } = await openService("expert:strong=0,0.000001/day; agent:poor=0,0/day")
    const other = await app.handle(chat({}))
    expect(other.headers.get("x-consilium-expert")).toBe("cheap")
    const poor = await app.handle(chat({ consilium: { agent: "poor" } }))
    expect(poor.status).toBe(402)
    const { error } = await read(poor)
    expect(error).toMatchObject({ code: "budget_exceeded", type: "insufficient_quota" })
    expect((error as { message: string }).message).toContain("agent poor: 0.0000 USD spent")
  })

  test("a soft limit warns in a header", async () => {
    const { app } = await openService("agent:warned=0,1/day")
    const { headers: sent } = await app.handle(chat({ consilium: { agent: "warned" }, stream: true }))
    expect(sent.get("x-consilium-budget")).toContain("agent warned: 0.0000 USD spent")
  })

  test("feedback about an answer moves the trained router", async () => {
    const examples = ["our risk", "a poem", "the risk of loans", "a song"].map((text, i) => ({
      request: { text, numImages: 0, hasTools: false },
      targets: i % 2 === 0 ? Float32Array.of(1, 0) : Float32Array.of(0, 1),
    }))
    const training = { experts: ["strong", "cheap"], task: "choose", model: "linear", seed: 1 } as const
    const { app } = await openService("", createLearnedRouter(trainRouter(examples, training)))
    const give = (body: object) =>
      app.handle(new Request("http://localhost/v1/feedback", { method: "POST", headers, body: JSON.stringify(body) }))
    const answer = await app.handle(chat({ messages: [{ role: "user", content: "a song" }] }))
    const id = answer.headers.get("x-request-id")
    expect(answer.headers.get("x-consilium-expert")).toBe("cheap")
    const given = await give({ id, reward: -1 })
    expect(given.status).toBe(200)
    const { object, expert, before, after } = (await given.json()) as Record<string, unknown>
    expect([object, expert, (after as number) < (before as number)]).toEqual(["feedback", "cheap", true])
    const wrongs = [{ id, reward: 1 }, { reward: 1 }, { id, reward: 2 }, { id, prompt: "x", reward: 1 }]
    for (const body of [...wrongs, { prompt: "x", expert: "nobody", reward: 1 }])
      expect((await give(body)).status).toBe(400)
    const told = await give({ prompt: "a song", expert: "strong", reward: 1 })
    expect(await told.json()).toMatchObject({ expert: "strong" })
  })

  test("the models are auto and the experts", async () => {
    const { app } = await openService()
    const { data } = (await (await app.handle(get("/v1/models"))).json()) as {
      data: { id: string; consilium?: object }[]
    }
    expect(data.map(({ id }) => id)).toEqual(["auto", "strong", "cheap", "agent:assistant"])
    expect(data[1]!.consilium).toMatchObject({
      kind: "remote",
      domain: "finance risk",
      price: { input: 10, output: 30 },
    })
    expect((await app.handle(get("/v1/models/cheap"))).status).toBe(200)
    for (const other of ["other", "100%25", "%zz"])
      expect((await app.handle(get(`/v1/models/${other}`))).status).toBe(404)
    const completions = await app.handle(new Request("http://localhost/v1/completions", { method: "POST", headers }))
    expect([completions.status, (await read(completions)).error!.code]).toEqual([404, "not_found"])
  })

  test("an image without an expert for it is a clear 400", async () => {
    const { app } = await openService()
    const image = { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } }
    const content = [{ type: "text", text: "What is this?" }, image]
    const response = await app.handle(chat({ messages: [{ role: "user", content }] }))
    expect(response.status).toBe(400)
    expect((await read(response)).error).toMatchObject({
      code: "no_image_expert",
      message: "The request has an image, and no expert reads images.",
    })
    const file = { type: "image_url", image_url: { url: "file:///etc/passwd" } }
    expect((await app.handle(chat({ messages: [{ role: "user", content: [file] }] }))).status).toBe(400)
  })

  test("wishes that cannot be are refused", async () => {
    const { app } = await openService()
    const paramOf = async (body: object) => (await read(await app.handle(chat(body)))).error?.param
    expect(await paramOf({ consilium: { consult: "chat" } })).toBe("consilium.consult")
    expect(await paramOf({ consilium: { consult: "vote", experts: 9 } })).toBe("consilium.experts")
    expect(await paramOf({ consilium: { budgetUsd: -1 } })).toBe("consilium.budgetUsd")
    expect(await paramOf({ model: "strong", consilium: { consult: "vote" } })).toBe("model")
    expect(await paramOf({ model: "auto:consult", n: 2 })).toBe("n")
    expect(await paramOf({ consilium: { consult: true } })).toBe("consilium.consult")
    expect(await paramOf({ model: "auto:consult", consilium: { consult: false } })).toBe("consilium.consult")
    expect(await paramOf({ consilium: { consult: false, experts: 2 } })).toBe("consilium.experts")
    expect(await paramOf({ consilium: { experts: 2 } })).toBe("consilium.experts")
    expect(await paramOf({ model: "cheap", consilium: { experts: 2 } })).toBe("consilium.experts")
    const poor = await app.handle(chat({ model: "strong", consilium: { budgetUsd: 0.001 } }))
    // Its standby costs less.
    expect((await read(poor)).consilium).toMatchObject({ expert: "cheap", cost: { usd: expect.any(Number) } })
    expect((await app.handle(new Request("http://localhost/v1/models"))).status).toBe(401)
  })
})
