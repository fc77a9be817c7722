import { describe, expect, test } from "bun:test"
import { EngineError, type EngineApi, type EngineState, type EngineStatus, loadModelText } from "@consilium/serving"
import { miniModelDir } from "@consilium/testing"
import { Effect } from "effect"
import { createAdminApp } from "./createAdminApp.ts"
import { createApp } from "./createApp.ts"
import { createUnknownFieldNotes } from "./ServiceDeps.ts"
import { createServiceMetrics } from "./ServiceMetrics.ts"

const text = loadModelText(miniModelDir())
const status: EngineStatus = {
  modelId: "fake",
  backend: "fake",
  format: "f32",
  numSlots: 1,
  contextLength: 128,
  numRunning: 0,
  numWaiting: 0,
  steps: 0,
  numTokens: 0,
  residentBytes: 0,
  weightBytes: 0,
  isSecondBest: false,
}

const usage = {
  promptTokens: 3,
  cachedTokens: 0,
  generatedTokens: 1,
  queueMs: 0,
  prefillMs: 0,
  decodeMs: 0,
}

/** A service around an engine in some state, which fails after one token where `failure` is given. */
function serviceWith(state: EngineState, { refusal, failure }: { refusal?: EngineError; failure?: EngineError } = {}) {
  const listeners = new Set<Parameters<EngineApi["onChanges"]>[0]>()
  const engine: EngineApi = {
    state: Effect.succeed(state),
    admission: refusal === undefined ? Effect.void : Effect.fail(refusal),
    ready: Effect.succeed(status),
    drain: Effect.void,
    control: () => Effect.succeed({ kind: "done" }),
    onChanges(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    rouse: Effect.void,
    kill: Effect.void,
    sleep: Effect.succeed(false),
    generate: ({ requestId }, onEvent) =>
      Effect.suspend(() => {
        onEvent({ type: "tokens", requestId, tokens: [{ id: 659 }] })
        if (failure !== undefined) return Effect.fail(failure)
        return Effect.succeed({
          type: "done" as const,
          requestId,
          reason: "stop" as const,
          usage,
          degraded: [],
        })
      }),
  }
  const said: string[] = []
  const debug = (line: string): void => void said.push(line)
  const metrics = createServiceMetrics(engine)
  const deps = {
    engine,
    text,
    modelId: "fake",
    created: 0,
    metrics,
    costs: undefined,
    agentNames: [],
    agents: () => Promise.reject(new Error("there are none")),
    noteRequest: () => {},
    desired: { failNext: () => {} },
    packing: {
      sourceDir: "",
      preparedDir: "",
      formats: { format: "f32", denseFormat: "f32" } as const,
      swapDir: undefined,
    },
    debug,
    noteUnknownFields: createUnknownFieldNotes(debug),
  }
  return {
    app: createApp(deps),
    admin: createAdminApp(deps, { adminKey: "operator" }),
    listeners,
    said,
    metrics,
  }
}

const chat = (isStream: boolean): Request =>
  new Request("http://localhost/v1/chat/completions", {
    method: "POST",
    body: JSON.stringify({
      model: "default",
      messages: [{ role: "user", content: "Hi" }],
      stream: isStream,
    }),
  })

describe("health", () => {
  test.each([
    [{ phase: "ready", status } as EngineState, 200, "ok"],
    [{ phase: "loading", step: "reading weights", done: 1, total: 4 } as EngineState, 503, "loading"],
    [{ phase: "restarting", numRestarts: 1 } as EngineState, 503, "restarting"],
    [{ phase: "asleep", sinceMs: 0 } as EngineState, 200, "asleep"],
    [{ phase: "waking" } as EngineState, 503, "waking"],
    [{ phase: "draining" } as EngineState, 503, "draining"],
    [{ phase: "failed", message: "gone" } as EngineState, 503, "failed"],
  ])("%j is %d", async (state, code, word) => {
    const response = await serviceWith(state).app.handle(new Request("http://localhost/health"))
    expect([response.status, ((await response.json()) as { status: string }).status]).toEqual([code, word])
  })
})

describe("refusals", () => {
  test.each([
    ["not-ready", 503, "model_loading"],
    ["draining", 503, "draining"],
    ["queue-full", 429, "queue_full"],
    ["engine-failed", 503, "engine_failed"],
  ] as const)("%s is %d %s, streamed or not", async (code, statusCode, publicCode) => {
    const { app } = serviceWith({ phase: "ready", status }, { refusal: new EngineError({ code, message: "why" }) })
    for (const isStream of [false, true]) {
      const response = await app.handle(chat(isStream))
      expect([response.status, await response.json()]).toEqual([
        statusCode,
        { error: { message: "why", type: expect.any(String), param: null, code: publicCode } },
      ])
      if (statusCode === 429)
        expect([response.headers.get("retry-after"), response.headers.get("retry-after-ms")]).toEqual(["1", "1000"])
    }
  })
})

describe("unknown fields", () => {
  test("are ignored, and named once", async () => {
    const { app, said } = serviceWith({ phase: "ready", status })
    for (let i = 0; i < 2; i++) {
      const body = JSON.stringify({
        model: "default",
        messages: [{ role: "user", content: "Hi" }],
        favourite_colour: "blue",
      })
      await app.handle(new Request("http://localhost/v1/chat/completions", { method: "POST", body }))
    }
    expect(said.filter((line) => line.includes("favourite_colour")).length).toBe(1)
  })
})

describe("metrics", () => {
  test("count refused requests by route, not by path: clients choose paths", async () => {
    const { app, metrics } = serviceWith({ phase: "ready", status })
    for (const id of ["a", "b", "c%2Fd"]) await app.handle(new Request(`http://localhost/v1/models/${id}`))
    const lines = (await metrics.text()).split("\n").filter((line) => line.startsWith("consilium_http_requests_total{"))
    expect(lines).toEqual(['consilium_http_requests_total{route="/v1/models/*",status="404"} 3'])
  })
})

describe("a failure in mid-stream", () => {
  test("is an error chunk after the text, not a cut", async () => {
    const { app } = serviceWith(
      { phase: "ready", status },
      { failure: new EngineError({ code: "internal", message: "a step failed twice" }) },
    )
    const response = await app.handle(chat(true))
    const lines = (await response.text()).trim().split("\n\n")
    expect(response.status).toBe(200)
    expect(lines.some((line) => line.includes('"content":"Hello"'))).toBe(true)
    expect(JSON.parse(lines.at(-1)!.slice("data: ".length))).toEqual({
      error: {
        message: "a step failed twice",
        type: "server_error",
        param: null,
        code: "internal_error",
      },
    })
  })

  test("is a 500 where nothing was streamed", async () => {
    const { app } = serviceWith(
      { phase: "ready", status },
      { failure: new EngineError({ code: "internal", message: "broken" }) },
    )
    expect((await app.handle(chat(false))).status).toBe(500)
  })
})

describe("admin", () => {
  const { admin, listeners } = serviceWith({ phase: "ready", status })
  const get = (headers: Record<string, string>, path = "/admin/models/fake/status") =>
    admin.handle(
      new Request(`http://localhost${path}`, {
        headers: { host: "127.0.0.1:9", authorization: "Bearer operator", ...headers },
      }),
    )

  test("answers this machine", async () => {
    expect(await (await get({})).json()).toMatchObject({
      phase: "ready",
      status: { modelId: "fake" },
    })
    expect((await get({ origin: "http://localhost:3000" })).status).toBe(200)
  })

  test.each([
    [{ host: "evil.example" }, 403],
    [{ origin: "https://evil.example" }, 403],
    [{ authorization: "Bearer wrong" }, 401],
  ] as const)("%j is refused with %d", async (headers, code) => {
    expect((await get(headers)).status).toBe(code)
  })

  test("reads JSON only, and knows its models", async () => {
    const response = await admin.handle(
      new Request("http://localhost/admin/models/fake/status", {
        method: "POST",
        body: "x",
        headers: { host: "localhost", authorization: "Bearer operator" },
      }),
    )
    expect(response.status).toBe(415)
    expect((await get({}, "/admin/models/other/status")).status).toBe(404)
  })

  test("tells changes as they happen, until its client leaves", async () => {
    const response = await get({}, "/admin/models/fake/events")
    const reader = response.body!.getReader()
    const next = async (): Promise<string> => new TextDecoder().decode((await reader.read()).value)
    expect(await next()).toBe(": changes of experts\n\n")
    const change = { atMs: 1, layer: 2, expert: 3, change: "fault", detail: "it threw" } as const
    for (const listener of listeners) listener([change])
    expect(await next()).toBe(`data: ${JSON.stringify(change)}\n\n`)
    await reader.cancel()
    while (listeners.size > 0) await new Promise(setImmediate)
    expect(listeners.size).toBe(0)
  })
})
