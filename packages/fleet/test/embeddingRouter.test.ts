/** A fleet whose router was trained with embeddings: requests are embedded on their way to it, and none is lost where they cannot be. */
import { itEffect } from "@consilium/testing/effect"
import { startFakePeer } from "@consilium/testing/peer"
import { afterAll, beforeEach, describe, expect, test } from "bun:test"
import { Effect } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import {
  type Embedder,
  type EmbedderMark,
  embedExamples,
  encodeRouter,
  type FleetApi,
  loadFleetRouter,
  type RouterExample,
  trainRouter,
} from "../src/index.ts"
import { fleetOf, openFleet } from "./fleetOf.ts"
import { requestOf } from "./requestOf.ts"

const dir = mkdtempSync(join(tmpdir(), "consilium-embedding-router-"))
const path = join(dir, "own.router")
const peer = startFakePeer({ kind: "answer", pieces: ["yes"] })
afterAll(() => {
  peer.stop()
  rmSync(dir, { recursive: true })
})

/** What words do not tell: it knows animals from stones. */
const ANIMALS = ["cat", "dog", "owl", "hen", "fox", "bee", "eel", "ant"]
const STONES = ["gem", "ore", "tin", "jet", "zinc", "opal", "ruby", "onyx"]
const MARK: EmbedderMark = { kind: "onnx", model: "m.onnx", content: "c0ffee", task: "", size: 2 }
let problem: (() => Promise<never>) | undefined
let asked: string[] = []
const embedder: Embedder = {
  mark: MARK,
  async embed(texts) {
    asked.push(...texts)
    if (problem !== undefined) await problem()
    return texts.map((text) =>
      ANIMALS.some((name) => text.includes(name)) ? Float32Array.of(1, 0) : Float32Array.of(0, 1),
    )
  },
  close: async () => {},
}
const examples: RouterExample[] = [...ANIMALS.slice(0, 6), ...STONES.slice(0, 6)].flatMap((name, i) =>
  Array.from({ length: 8 }, (_, n) => ({
    request: { text: `${name} ${n}`, numImages: 0, hasTools: false },
    // One in eight is wrong, so that nobody can be sure.
    targets: i < 6 === n > 0 ? Float32Array.of(1, 0) : Float32Array.of(0, 1),
  })),
)
const training = { experts: ["zoo", "mine"], task: "choose", model: "linear", seed: 1 } as const
const embedded = await embedExamples(examples, embedder, () => {})
const withMark = encodeRouter(trainRouter(embedded, { ...training, embedder: MARK }))
const ofWords = encodeRouter(trainRouter(examples, training))

const TOML =
  `router = "${path}"\n` +
  ["zoo", "mine"]
    .map((name) => `[fleet.experts.${name}]\nkind = "remote"\nurl = "${peer.url}"\nmodel = "m"\n`)
    .join("") +
  '[fleet.embedder]\nkind = "onnx"\nmodel = "m.onnx"\ntimeout = "200ms"\n'
const open = () => openFleet(TOML, { router: loadFleetRouter(fleetOf(TOML), MARK)!, embedder })
const ask = (fleet: FleetApi, content: string, change: Parameters<typeof requestOf>[1] = {}) =>
  Effect.map(
    fleet.answer(requestOf(content, change), () => {}),
    ({ report }) => report,
  )
beforeEach(() => {
  writeFileSync(path, withMark)
  problem = undefined
  asked = []
})

describe("a fleet with an embedder", () => {
  itEffect("routes by what only the embedding tells, and asks for each text once", () =>
    Effect.gen(function* () {
      const fleet = yield* open()
      for (const [text, expert] of [
        ["an ant", "zoo"],
        ["an eel", "zoo"],
        ["some onyx", "mine"],
        ["an ant", "zoo"],
      ] as const) {
        const report = yield* ask(fleet, text)
        expect(report.expert).toBe(expert)
        expect(report.route.why).toMatch(/^score [\d.]+$/)
      }
      expect(asked).toEqual(["an ant", "an eel", "some onyx"])
      expect(fleet.embedder()).toMatchObject({ ...MARK, numAsked: 4, numKnown: 1, numMissed: 0 })
    }),
  )

  itEffect("embeds the conversation's latest turn, and nothing for who names an expert", () =>
    Effect.gen(function* () {
      const fleet = yield* open()
      yield* ask(fleet, "", {
        messages: [
          { role: "user", content: "a ruby" },
          { role: "assistant", content: "red" },
          { role: "user", content: "and a bee?" },
        ],
      })
      const { expert, route } = yield* ask(fleet, "opal", { target: { kind: "expert", name: "zoo" } })
      expect([expert, route.why]).toEqual(["zoo", "it was asked for by name"])
      expect(asked).toEqual(["and a bee?"])
    }),
  )

  for (const [what, fault, words] of [
    ["fails", () => Promise.reject(new Error("its process ended")), "the embedder failed: its process ended"],
    ["is late", () => new Promise<never>(() => {}), "the embedder took longer than 200 ms"],
  ] as const)
    itEffect(
      `whose embedder ${what} goes by words alone, and says so`,
      () =>
        Effect.gen(function* () {
          const fleet = yield* open()
          problem = fault
          // Words that were learned tell it too.
          const { expert, route } = yield* ask(fleet, "zinc 3")
          expect(expert).toBe("mine")
          expect(route.why).toEndWith(`; by words alone: ${words}`)
          problem = undefined
          expect((yield* ask(fleet, "an ant")).route.why).toMatch(/^score [\d.]+$/)
          expect(fleet.embedder()).toMatchObject({ numMissed: 1, latestProblem: words })
        }),
      { live: true },
    )

  itEffect("learns of feedback with embeddings: of an answer as it was, of a prompt by embedding it", () =>
    Effect.gen(function* () {
      const fleet = yield* open()
      yield* ask(fleet, "an ant", { requestId: "one" })
      const first = yield* fleet.learn({ about: { kind: "answer", requestId: "one" }, reward: -1 })
      expect([first.expert, first.after < first.before]).toEqual(["zoo", true])
      expect(asked).toEqual(["an ant"])
      for (let i = 0; i < 40; i++)
        yield* fleet.learn({ about: { kind: "prompt", prompt: "the eel", expert: "mine" }, reward: 1 })
      expect(asked).toEqual(["an ant", "the eel"])
      expect((yield* ask(fleet, "that eel")).expert).toBe("mine")
    }),
  )

  itEffect("embeds for feedback what was not embedded for its answer: who named the expert had not to wait", () =>
    Effect.gen(function* () {
      const fleet = yield* open()
      yield* ask(fleet, "an ant", { requestId: "one", target: { kind: "expert", name: "mine" } })
      expect(asked).toEqual([])
      yield* fleet.learn({ about: { kind: "answer", requestId: "one" }, reward: 1 })
      expect(asked).toEqual(["an ant"])
    }),
  )

  itEffect("swaps a router of words for one with embeddings; feedback on answers of before embeds them then", () =>
    Effect.gen(function* () {
      writeFileSync(path, ofWords)
      const fleet = yield* open()
      yield* ask(fleet, "an ant", { requestId: "one", target: { kind: "expert", name: "zoo" } })
      expect(asked).toEqual([])
      writeFileSync(path, withMark)
      yield* fleet.swapRouter
      yield* fleet.learn({ about: { kind: "answer", requestId: "one" }, reward: 1 })
      expect((yield* ask(fleet, "that eel")).expert).toBe("zoo")
      expect(asked).toEqual(["an ant", "that eel"])

      writeFileSync(path, encodeRouter(trainRouter(embedded, { ...training, embedder: { ...MARK, content: "decaf" } })))
      const error = yield* Effect.flip(fleet.swapRouter)
      expect(error.message).toStartWith("The router stays as it was: ")
      expect(error.message).toContain("content decaf) in [fleet.embedder], found onnx m.onnx (size 2, content c0ffee)")
      expect((yield* ask(fleet, "that fox")).expert).toBe("zoo")
    }),
  )
})

test.each([
  [
    "no embedder",
    withMark,
    undefined,
    "expected the embedder onnx m.onnx (size 2, content c0ffee) in [fleet.embedder], found none",
  ],
  [
    "another task",
    withMark,
    { ...MARK, task: "query: " },
    'found onnx m.onnx (size 2, content c0ffee, task "query: ")',
  ],
  [
    "no word of whose",
    encodeRouter(trainRouter(embedded, training)),
    MARK,
    "expected a router that says whose embeddings it wants",
  ],
] as const)("loadFleetRouter: a router with embeddings beside %s is refused", (_, bytes, mark, message) => {
  writeFileSync(path, bytes)
  expect(() => loadFleetRouter(fleetOf(TOML), mark)).toThrow(message)
})

test("loadFleetRouter: a router of words goes with any embedder, or none", () => {
  writeFileSync(path, ofWords)
  expect(loadFleetRouter(fleetOf(TOML), MARK)!.embeddingSize).toBeUndefined()
  expect(loadFleetRouter(fleetOf(TOML))!.experts).toEqual(["zoo", "mine"])
})
