import { describe, expect } from "bun:test"
import { miniModelDir } from "@consilium/testing"
import { itEffect } from "@consilium/testing/effect"
import { GREEDY } from "@consilium/model"
import { Effect, Ref } from "effect"
import type { EngineApi } from "../client/EngineApi.ts"
import { EngineError } from "../client/EngineError.ts"
import type { EngineStatus } from "../protocol.ts"
import type { CompletionEvent, CompletionRequest } from "./Completion.ts"
import { complete } from "./complete.ts"
import { loadModelText } from "./ModelText.ts"

const text = loadModelText(miniModelDir())
const status: EngineStatus = {
  modelId: "fake",
  backend: "fake",
  format: "f32",
  numSlots: 1,
  contextLength: 512,
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
  generatedTokens: 9,
  queueMs: 0,
  prefillMs: 0,
  decodeMs: 0,
}

/** An engine that says `answer`, token by token, and counts how many streams were closed. */
const engineSaying = (answer: string, closed: Ref.Ref<number>, failsAfter = Number.POSITIVE_INFINITY): EngineApi => ({
  state: Effect.succeed({ phase: "ready", status }),
  admission: Effect.void,
  ready: Effect.succeed(status),
  drain: Effect.void,
  control: () => Effect.succeed({ kind: "done" }),
  rouse: Effect.void,
  onChanges: () => () => {},
  kill: Effect.void,
  sleep: Effect.succeed(false),
  generate: ({ requestId }, onEvent) =>
    Effect.gen(function* () {
      onEvent({ type: "started", requestId, cachedTokens: 2, queueMs: 1, prefillMs: 4 })
      for (const id of text.tokenizer.encode(answer).slice(0, failsAfter)) {
        onEvent({ type: "tokens", requestId, tokens: [{ id, logProb: -1, top: [] }] })
        yield* Effect.yieldNow
      }
      if (Number.isFinite(failsAfter)) return yield* new EngineError({ code: "internal", message: "broken" })
      return { type: "done", requestId, reason: "stop", usage, degraded: [] } as const
    }).pipe(Effect.ensuring(Ref.update(closed, (n) => n + 1))),
})

const request: CompletionRequest = {
  requestId: "r",
  prompt: { kind: "chat", messages: [{ role: "user", content: "Hello!" }], tools: [] },
  numChoices: 1,
  sampling: GREEDY,
  seed: 1,
  maxTokens: undefined,
  stop: [],
  numTopLogProbs: undefined,
  trace: false,
}

const textOf = (events: readonly CompletionEvent[], choice = 0): string =>
  events.flatMap((event) => (event.type === "text" && event.choice === choice ? [event.text] : [])).join("")
/** Answers, and returns everything that was said. */
const run = (change: Partial<CompletionRequest>, engine: EngineApi, modelText = text) => {
  const events: CompletionEvent[] = []
  const answering = complete({ ...request, ...change }, { engine, text: modelText }, (event) => void events.push(event))
  return Effect.as(answering, events)
}

describe("complete", () => {
  itEffect("gives the text and one finish", () =>
    Effect.gen(function* () {
      const closed = yield* Ref.make(0)
      const events = yield* run({}, engineSaying("It's 我的 card ✓ fine.", closed))
      expect(textOf(events)).toBe("It's 我的 card ✓ fine.")
      expect(events.filter(({ type }) => type === "finish")).toEqual([
        { type: "finish", choice: 0, reason: "stop", usage, degraded: [], trace: undefined },
      ])
    }),
  )

  itEffect("a stop string across tokens ends the answer before it, and closes the engine's stream", () =>
    Effect.gen(function* () {
      const closed = yield* Ref.make(0)
      const events = yield* run({ stop: ["k the ca"] }, engineSaying("Please block the card now, and call us.", closed))
      expect(textOf(events)).toBe("Please bloc")
      const finish = events.at(-1)!
      expect(finish.type === "finish" && [finish.reason, finish.usage.generatedTokens < 9]).toEqual(["stop", true])
      // What the engine said with the first token: its end never comes.
      expect(finish).toMatchObject({ usage: { cachedTokens: 2, queueMs: 1, prefillMs: 4 } })
      expect(yield* Ref.get(closed)).toBe(1)
    }),
  )

  itEffect("a stop string in the very last token counts, though the engine has ended", () =>
    Effect.gen(function* () {
      const closed = yield* Ref.make(0)
      const ending: EngineApi = {
        ...engineSaying("", closed),
        generate: ({ requestId }, onEvent) =>
          Effect.sync(() => {
            const tokens = text.tokenizer.encode("Block the card now").map((id) => ({ id }))
            onEvent({ type: "tokens", requestId, tokens })
            return { type: "done", requestId, reason: "length", usage, degraded: [] } as const
          }),
      }
      const events = yield* run({ stop: [" now"] }, ending)
      expect(textOf(events)).toBe("Block the card")
      expect(events.at(-1)).toMatchObject({ type: "finish", reason: "stop" })
    }),
  )

  itEffect("a completion keeps the space that parts it from its prompt, an answer begins without", () =>
    Effect.gen(function* () {
      const closed = yield* Ref.make(0)
      // As a SentencePiece tokenizer has it.
      const tokenizer = { ...text.tokenizer, stripsFirstSpace: true }
      const said = (prompt: CompletionRequest["prompt"]) =>
        Effect.map(run({ prompt }, engineSaying(" a time", closed), { ...text, tokenizer }), (events) => textOf(events))
      expect(yield* said({ kind: "text", text: "Once upon" })).toBe(" a time")
      expect(yield* said(request.prompt)).toBe("a time")
    }),
  )

  itEffect("choices come side by side, each with its finish", () =>
    Effect.gen(function* () {
      const closed = yield* Ref.make(0)
      const events = yield* run({ numChoices: 3 }, engineSaying("Hello there.", closed))
      expect([0, 1, 2].map((choice) => textOf(events, choice))).toEqual(Array(3).fill("Hello there."))
      expect(events.filter(({ type }) => type === "finish").length).toBe(3)
    }),
  )

  itEffect("a tool call becomes events, not text", () =>
    Effect.gen(function* () {
      const closed = yield* Ref.make(0)
      const tools = [{ type: "function", function: { name: "calculate" } }] as const
      const engine = engineSaying(
        '<tool_call>\n{"name": "calculate", "arguments": {"expression": "2+3"}}\n</tool_call>',
        closed,
      )
      const events = yield* run({ prompt: { ...request.prompt, tools } as CompletionRequest["prompt"] }, engine)
      expect(textOf(events)).toBe("")
      expect(events[0]).toMatchObject({ type: "tool-call", index: 0, name: "calculate" })
      const deltas = events.flatMap((event) => (event.type === "tool-arguments" ? [event.delta] : []))
      expect(deltas.join("")).toBe('{"expression":"2+3"}')
      // They come as the model writes them.
      expect(deltas.length).toBeGreaterThan(1)
      expect(events.at(-1)).toMatchObject({ type: "finish", reason: "tool_calls" })
    }),
  )

  itEffect("log-probabilities go with the text of their tokens, none is lost", () =>
    Effect.gen(function* () {
      const closed = yield* Ref.make(0)
      const answer = "我的 card ✓"
      const events = yield* run({ numTopLogProbs: 0 }, engineSaying(answer, closed))
      const bytes = events.flatMap((event) =>
        event.type === "text" ? event.logProbs.flatMap((token) => token.bytes) : [],
      )
      expect(new TextDecoder().decode(Uint8Array.from(bytes))).toBe(answer)
    }),
  )

  itEffect("log-probabilities come with the text they belong to, and those of a stop string do not come", () =>
    Effect.gen(function* () {
      const closed = yield* Ref.make(0)
      const answer = "Please block the card now, and call us."
      // In the middle of a token, and at a border.
      for (const stop of ["k the card", " the card"]) {
        const events = yield* run({ numTopLogProbs: 0, stop: [stop] }, engineSaying(answer, closed))
        const said = events.flatMap((event) => (event.type === "text" ? [event] : []))
        for (const { text: piece, logProbs } of said) {
          const bytes = Uint8Array.from(logProbs.flatMap((token) => token.bytes))
          // Only the last token may reach into the stop string.
          expect(piece).not.toBe("")
          expect(new TextDecoder().decode(bytes).startsWith(piece)).toBe(true)
          expect(logProbs.slice(0, -1).flatMap((token) => token.bytes).length).toBeLessThan(piece.length)
        }
        expect(said.map(({ text: piece }) => piece).join("")).toBe(answer.slice(0, answer.indexOf(stop)))
      }
    }),
  )

  itEffect("a conversation that is long by its tools is refused too, and so are many messages", () =>
    Effect.gen(function* () {
      const closed = yield* Ref.make(0)
      // Within what its bytes alone would refuse: encoded to the end it takes ten seconds.
      const description = "我的卡丢了怎么办".repeat(100_000)
      const ready = Effect.succeed({ ...status, contextLength: 65_536 })
      const messages = [{ role: "user", content: "Hello!" }] as const
      const prompts: CompletionRequest["prompt"][] = [
        {
          kind: "chat",
          messages,
          tools: [{ type: "function", function: { name: "f", description } }],
        },
        { kind: "chat", messages: Array.from({ length: 20_000 }, () => messages[0]), tools: [] },
        { kind: "text", text: description },
      ]
      for (const prompt of prompts) {
        const started = performance.now()
        const error = yield* Effect.flip(run({ prompt }, { ...engineSaying("", closed), ready }))
        expect(error._tag === "PromptError" && error.code).toBe("context-overflow")
        expect(performance.now() - started).toBeLessThan(4000)
      }
    }),
  )

  itEffect("a prompt beyond the context is refused before the engine sees it", () =>
    Effect.gen(function* () {
      const closed = yield* Ref.make(0)
      const long = {
        kind: "chat",
        messages: [{ role: "user", content: "word ".repeat(2_000_000) }],
        tools: [],
      } as const
      const started = performance.now()
      const error = yield* Effect.flip(run({ prompt: long }, engineSaying("", closed)))
      expect(error._tag === "PromptError" && error.code).toBe("context-overflow")
      expect(performance.now() - started).toBeLessThan(1000)
      expect(yield* Ref.get(closed)).toBe(0)
    }),
  )

  itEffect("an engine that fails in mid-stream fails the stream after its text", () =>
    Effect.gen(function* () {
      const closed = yield* Ref.make(0)
      const said: string[] = []
      const engine = engineSaying("one two three", closed, 2)
      const error = yield* Effect.flip(complete(request, { engine, text }, ({ type }) => void said.push(type)))
      expect(error.message).toBe("broken")
      expect(said).toEqual(["text", "text"])
    }),
  )
})
