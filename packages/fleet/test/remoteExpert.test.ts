/** The client of remote experts against a real socket, with every way a peer can fail. */
import { afterAll, describe, expect, test } from "bun:test"
import type { CompletionEvent } from "@consilium/serving"
import { type PeerBehaviour, startFakePeer } from "@consilium/testing/peer"
import { Effect, Exit, Fiber, Result } from "effect"
import type { RemoteExpertConfig } from "../src/config/FleetConfig.ts"
import { createRemoteExpert } from "../src/remote/createRemoteExpert.ts"
import { fleetOf } from "./fleetOf.ts"
import { requestOf } from "./requestOf.ts"

const peer = startFakePeer()
afterAll(() => peer.stop())

const configOf = (extra = ""): RemoteExpertConfig =>
  fleetOf(`[fleet.experts.far]\nkind = "remote"\nurl = "${peer.url}"\nmodel = "gpt"\n${extra}`)
    .experts[0] as RemoteExpertConfig

/** Asks the peer that does this; returns how it ended and what was said. */
async function ask(behaviour: PeerBehaviour, change: Parameters<typeof requestOf>[1] = {}, config = configOf()) {
  peer.does(behaviour)
  const events: CompletionEvent[] = []
  const expert = createRemoteExpert(config, "secret")
  const request = { ...requestOf("Hi", change), prefix: "" }
  let hasBegun = false
  const say = (said: CompletionEvent): void => void events.push(said)
  const result = await Effect.runPromise(
    Effect.result(expert.answer(request, say, { begin: () => (hasBegun = true), use() {} })),
  )
  // It waits for no memory.
  expect(hasBegun).toBe(true)
  const text = events.map((event) => (event.type === "text" ? event.text : "")).join("")
  return { failure: Result.isFailure(result) ? result.failure : undefined, events, text }
}

const event = (delta: object, finish: string | null = null): string =>
  JSON.stringify({ choices: [{ index: 0, delta, finish_reason: finish }] })

describe("a remote expert", () => {
  test("streams text and tells its usage", async () => {
    const { failure, events, text } = await ask({ kind: "answer", pieces: ["Hel", "lo"] })
    expect(failure).toBeUndefined()
    expect(text).toBe("Hello")
    expect(events.at(-1)).toMatchObject({
      type: "finish",
      reason: "stop",
      usage: { promptTokens: 7, generatedTokens: 2 },
    })
    expect(peer.keys.at(-1)).toBe("Bearer secret")
  })

  test("is asked in OpenAI's words, the usual sampling left out", async () => {
    const config = configOf("limits = { max-tokens = 10 }")
    await ask(
      { kind: "answer", pieces: ["x"] },
      { maxTokens: 99, stop: ["END"], sampling: { ...requestOf("").sampling, temperature: 0.5 } },
      config,
    )
    expect(peer.requests.at(-1)).toEqual({
      model: "gpt",
      messages: [{ role: "user", content: "Hi" }],
      stream: true,
      stream_options: { include_usage: true },
      max_tokens: 10,
      stop: ["END"],
      temperature: 0.5,
    })
  })

  test("that does not stream is understood too", async () => {
    const choices = [{ index: 0, message: { role: "assistant", content: "whole" }, finish_reason: "length" }]
    const { events, text } = await ask({ kind: "whole", body: { choices } })
    expect(text).toBe("whole")
    expect(events.at(-1)).toMatchObject({ type: "finish", reason: "length" })
  })

  test("that calls tools does so in pieces", async () => {
    const call = (part: object): string => event({ tool_calls: [part] })
    const { events, failure } = await ask({
      kind: "raw",
      events: [
        call({ index: 0, id: "c1", function: { name: "weather", arguments: "" } }),
        call({ index: 0, function: { arguments: '{"city":' } }),
        call({ index: 0, function: { arguments: '"Rome"}' } }),
        event({}, "tool_calls"),
        "[DONE]",
      ],
    })
    expect(failure).toBeUndefined()
    expect(events.map(({ type }) => type)).toEqual(["tool-call", "tool-arguments", "tool-arguments", "finish"])
  })

  const failures: readonly (readonly [string, PeerBehaviour, string])[] = [
    ["says status 500", { kind: "status", status: 500 }, "server-error"],
    ["says status 429", { kind: "status", status: 429 }, "rate-limited"],
    ["says status 401", { kind: "status", status: 401 }, "misconfigured"],
    ["sends elsewhere", { kind: "status", status: 302, headers: { location: "http://127.0.0.1:1/" } }, "misconfigured"],
    ["says status 400", { kind: "status", status: 400 }, "bad-request"],
    ["ends before the answer does", { kind: "cut", pieces: ["Hel"] }, "cut-stream"],
    ["breaks the connection", { kind: "break", pieces: ["Hel"] }, "cut-stream"],
    ["ends with [DONE] and no reason", { kind: "raw", events: [event({ content: "x" }), "[DONE]"] }, "cut-stream"],
    ["says what is no JSON", { kind: "raw", events: ["<html>"] }, "bad-answer"],
    ["says other JSON", { kind: "raw", events: ['{"choices":3}'] }, "bad-answer"],
    ["says text that is a number", { kind: "raw", events: [event({ content: 7 })] }, "bad-answer"],
    ["says a page", { kind: "raw", events: [], type: "text/html" }, "bad-answer"],
    ["says an endless line", { kind: "raw", events: ["x".repeat(3 * 2 ** 20)] }, "bad-answer"],
    [
      "skips a tool call",
      { kind: "raw", events: [event({ tool_calls: [{ index: 5, function: { name: "f" } }] })] },
      "bad-answer",
    ],
    ["says an error in its stream", { kind: "raw", events: ['{"error":{"message":"out of memory"}}'] }, "server-error"],
  ]
  test.each(failures)("that %s has failed", async (_, behaviour, kind) => {
    const { failure, events } = await ask(behaviour)
    expect(failure?.kind).toBe(kind as never)
    expect(events.filter(({ type }) => type === "finish")).toEqual([])
  })

  test("nobody listens for is refused", async () => {
    peer.refuse(true)
    const { failure } = await ask({ kind: "answer", pieces: ["x"] })
    peer.refuse(false)
    expect(failure?.kind).toBe("refused")
  })

  test.each([
    [{ "retry-after": "7" }, 7000],
    [{ "retry-after-ms": "250", "retry-after": "7" }, 250],
    [{ "retry-after": "soon" }, undefined],
    [{}, undefined],
  ])("that asks for time with %j is understood", async (headers, retryAfterMs) => {
    const { failure } = await ask({ kind: "status", status: 429, headers: headers as Record<string, string> })
    expect(failure?.retryAfterMs).toBe(retryAfterMs as number)
  })

  test("says what it thinks of our key to nobody", async () => {
    const body = { error: { message: "Incorrect API key provided: sec***et" } }
    const { failure } = await ask({ kind: "status", status: 401, body })
    expect(failure!.message).toBe("status 401: its address or key is wrong")
  })

  test("says words of its own in one short line", async () => {
    const message = `no\nroom\u001b[31m ${"x".repeat(1000)}`
    const { failure } = await ask({ kind: "status", status: 503, body: { error: { message } } })
    expect(failure!.message).toStartWith("status 503: no room [31m xxx")
    expect(failure!.message.length).toBeLessThan(350)
  })

  test("what comes after the end of a choice, and choices that nobody asked for, do not count", async () => {
    const stray = JSON.stringify({ choices: [{ index: 3, delta: { content: "stray" } }] })
    const events = [event({ content: "a" }), stray, event({}, "stop"), event({ content: "late" }), "[DONE]"]
    expect((await ask({ kind: "raw", events })).text).toBe("a")
  })

  test("is left when its asker leaves", async () => {
    peer.does({ kind: "hang", pieces: ["Hel"] })
    const before = peer.numAbandoned
    const heard = Promise.withResolvers<void>()
    const expert = createRemoteExpert(configOf(), undefined)
    const request = { ...requestOf("Hi"), prefix: "" }
    const answering = Effect.runFork(expert.answer(request, () => heard.resolve(), { begin() {}, use() {} }))
    await heard.promise
    const exit = await Effect.runPromise(Effect.andThen(Fiber.interrupt(answering), Fiber.await(answering)))
    expect(Exit.hasInterrupts(exit)).toBe(true)
    while (peer.numAbandoned === before) await new Promise((resolve) => setImmediate(resolve))
  })
})
