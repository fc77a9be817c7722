/** ONNX models of text as experts: the embedded model's own weights, exported as a plain graph, say what our engine says. */
import { ensurePrepared, GREEDY } from "@consilium/model"
import { loadOnnxText } from "@consilium/serving"
import { miniModelDir, readFixtureJson } from "@consilium/testing"
import { itEffect } from "@consilium/testing/effect"
import { startFakePeer } from "@consilium/testing/peer"
import { afterAll, beforeAll, describe, expect } from "bun:test"
import { Effect, Fiber } from "effect"
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { FleetApi, FleetRequest, LocalModel } from "../src/index.ts"
import { exportDecoder } from "./exportDecoder.ts"
import { openFleet } from "./fleetOf.ts"
import { GraphWriter } from "./GraphWriter.ts"
import { ENGINE_BYTES, localModelOf } from "./localModelOf.ts"
import { requestOf } from "./requestOf.ts"

const { conversations } = readFixtureJson<{
  readonly conversations: readonly (Pick<FleetRequest, "messages" | "tools"> & { readonly name: string })[]
}>(join(miniModelDir(), "expected.json"))
const dir = mkdtempSync(join(tmpdir(), "consilium-onnx-text-"))
let preparedDir = ""

/** Lays a model out as hubs do: the graph in a folder of its own. */
function write(name: string, graph: Uint8Array): string {
  mkdirSync(join(dir, name, "onnx"), { recursive: true })
  for (const file of ["tokenizer.json", "tokenizer_config.json", "config.json", "generation_config.json"])
    copyFileSync(join(miniModelDir(), file), join(dir, name, file))
  const path = join(dir, name, "onnx/model.onnx")
  writeFileSync(path, graph)
  return path
}

beforeAll(async () => {
  const options = { sourceDir: miniModelDir(), format: "f32" as const, cacheDir: dir, onProgress: () => {} }
  preparedDir = (await ensurePrepared(options)).dir
  write("cached", exportDecoder(miniModelDir(), true))
  write("plain", exportDecoder(miniModelDir(), false))
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const pathOf = (name: string): string => join(dir, name, "onnx/model.onnx")
function onnxOf(name: string, path: string): LocalModel {
  const { options } = localModelOf(name, dir)
  const start = { ...options.start, onnxModel: path }
  return { name, text: loadOnnxText(path), expertBytesPerToken: 0, options: { ...options, start } }
}
const tomlOf = (names: readonly string[], extra = ""): string =>
  names
    .map((name) => {
      const kind = name === "ours" ? 'kind = "local"' : 'kind = "onnx"\nmodalities = ["text"]'
      return `[fleet.experts.${name}]\n${kind}\nmodel = "x"\n${name === names[0] ? extra : ""}\n`
    })
    .join("")
const openBoth = (name: string) =>
  openFleet(tomlOf(["theirs", "ours"]), { locals: [onnxOf("theirs", pathOf(name)), localModelOf("ours", preparedDir)] })

const QUESTION = "I lost my credit card, what should I do?"
type Change = Parameters<typeof requestOf>[1]
const ask = (fleet: FleetApi, name: string, change: Change = {}) =>
  Effect.suspend(() => {
    const events: object[] = []
    const texts = new Map<number, string>()
    const request = requestOf(QUESTION, { target: { kind: "expert", name }, maxTokens: 20, ...change })
    const say = (event: {
      readonly type: string
      readonly choice: number
      readonly text?: string
      readonly id?: string
    }) => {
      const { id: _id, ...known } = event
      if (event.type !== "text") events.push(known)
      texts.set(event.choice, (texts.get(event.choice) ?? "") + (event.text ?? ""))
    }
    return Effect.map(fleet.answer(request, say), ({ report, finishes }) => ({
      report,
      finishes,
      events,
      texts: [...texts.values()],
      text: texts.get(0) ?? "",
    }))
  })
const live = { live: true, timeoutMs: 120_000 }

describe("ONNX experts of text", () => {
  for (const form of ["cached", "plain"] as const)
    itEffect(
      `say greedily what our engine says in f32: ${form === "cached" ? "with a cache" : "reading the whole text for each token"}`,
      () =>
        Effect.gen(function* () {
          const fleet = yield* openBoth(form)
          const [theirs, ours] = [yield* ask(fleet, "theirs"), yield* ask(fleet, "ours")]
          expect(theirs.text.length).toBeGreaterThan(10)
          expect(theirs.text).toBe(ours.text)
          expect(theirs.report).toMatchObject({ expert: "theirs", backend: "onnx" })
          const { promptTokens, generatedTokens } = theirs.finishes[0]!.usage
          expect(ours.finishes[0]!.usage).toMatchObject({ promptTokens, generatedTokens })
          // Another conversation in the same slots, one that begins alike.
          const again = {
            messages: [{ role: "user" as const, content: `${QUESTION} Please be brief.` }],
            maxTokens: 12,
          }
          expect((yield* ask(fleet, "theirs", again)).text).toBe((yield* ask(fleet, "ours", again)).text)
        }),
      live,
    )

  itEffect(
    "stream, stop at stop strings and at the most tokens, and sample by seed, several choices side by side",
    () =>
      Effect.gen(function* () {
        const fleet = yield* openFleet(tomlOf(["theirs"]), { locals: [onnxOf("theirs", pathOf("cached"))] })
        const whole = yield* ask(fleet, "theirs", { isStream: true })
        const word = whole.text.split(" ")[3]!
        const stopped = yield* ask(fleet, "theirs", { stop: [word] })
        expect(stopped.text).toBe(whole.text.slice(0, whole.text.indexOf(word)))
        expect(stopped.finishes[0]!.reason).toBe("stop")
        const short = yield* ask(fleet, "theirs", { maxTokens: 3 })
        expect([short.finishes[0]!.reason, short.finishes[0]!.usage.generatedTokens]).toEqual(["length", 3])

        const sampling = { ...GREEDY, temperature: 1.2 }
        const sampled = { sampling, seed: 7, numChoices: 2, maxTokens: 12 }
        const first = yield* ask(fleet, "theirs", sampled)
        expect(first.texts).toHaveLength(2)
        expect(first.texts[0]).not.toBe(first.texts[1]!)
        expect((yield* ask(fleet, "theirs", sampled)).texts.sort()).toEqual(first.texts.sort())
      }),
    live,
  )

  itEffect(
    "call tools as our engine does, by the template and its parser",
    () =>
      Effect.gen(function* () {
        const fleet = yield* openBoth("cached")
        const { messages, tools } = conversations.find(({ name }) => name === "tool_weather")!
        const [theirs, ours] = [
          yield* ask(fleet, "theirs", { tools, messages, maxTokens: 48 }),
          yield* ask(fleet, "ours", { tools, messages, maxTokens: 48 }),
        ]
        expect(theirs.finishes[0]!.reason).toBe("tool_calls")
        expect(theirs.events[0]).toMatchObject({ type: "tool-call", name: "get_weather" })
        expect([theirs.text, theirs.events, theirs.finishes[0]!.reason]).toEqual([
          ours.text,
          ours.events,
          ours.finishes[0]!.reason,
        ])
      }),
    live,
  )

  itEffect(
    "count in the memory of all: the least recently used sleeps, and says the same when it is woken",
    () =>
      Effect.gen(function* () {
        const locals = [onnxOf("theirs", pathOf("cached")), localModelOf("ours", preparedDir)]
        const fleet = yield* openFleet(tomlOf(["theirs", "ours"]), { locals, memoryBytes: 1.5 * ENGINE_BYTES })
        const awake = Effect.map(fleet.state, (experts) =>
          experts.filter(({ local }) => local?.isAwake).map(({ name }) => name),
        )
        const first = yield* ask(fleet, "theirs", { maxTokens: 6 })
        expect(yield* awake).toEqual(["theirs"])
        yield* ask(fleet, "ours", { maxTokens: 6 })
        expect(yield* awake).toEqual(["ours"])
        expect((yield* ask(fleet, "theirs", { maxTokens: 6 })).text).toBe(first.text)
      }),
    live,
  )

  itEffect(
    "go on with a remote stream that was cut, and after the death of their own process",
    () =>
      Effect.gen(function* () {
        const peer = startFakePeer({ kind: "cut", pieces: ["Please ", "call "] })
        yield* Effect.addFinalizer(() => Effect.sync(() => peer.stop()))
        const far = `[fleet.experts.far]\nkind = "remote"\nurl = "${peer.url}"\nmodel = "m"\nstandby = "theirs"\n`
        const fleet = yield* openFleet(far + tomlOf(["theirs"]), { locals: [onnxOf("theirs", pathOf("cached"))] })
        const { text, report } = yield* ask(fleet, "far", { isStream: true })
        expect(text.length).toBeGreaterThan("Please call ".length)
        expect(report.attempts.map(({ outcome }) => outcome)).toEqual(["cut-stream", "answered"])

        const whole = yield* ask(fleet, "theirs", { maxTokens: 24 })
        const heard = Promise.withResolvers<void>()
        let said = ""
        const request = requestOf(QUESTION, {
          target: { kind: "expert", name: "theirs" },
          isStream: true,
          maxTokens: 24,
        })
        const running = yield* Effect.forkChild(
          fleet.answer(request, (event) => {
            if (event.type === "text") said += event.text
            if (said.length > 10) heard.resolve()
          }),
        )
        yield* Effect.promise(() => heard.promise)
        yield* fleet.locals.engineOf("theirs").kill
        yield* Fiber.join(running)
        expect(said).toBe(whole.text)
      }),
    live,
  )

  itEffect(
    "that are none say so in one line, and their standby answers",
    () =>
      Effect.gen(function* () {
        const image = new GraphWriter()
        image.output("out", image.node("Neg", [image.input("pixels", "f32", [1, 2])]), "f32", [1, 2])
        const locals = [
          onnxOf("bytes", write("bytes", new TextEncoder().encode("no model"))),
          onnxOf("image", write("image", image.encode())),
        ]
        const peer = startFakePeer({ kind: "answer", pieces: ["yes"] })
        yield* Effect.addFinalizer(() => Effect.sync(() => peer.stop()))
        const far = `[fleet.experts.far]\nkind = "remote"\nurl = "${peer.url}"\nmodel = "m"\n`
        const toml = tomlOf(["bytes", "image"]).replaceAll('model = "x"', 'model = "x"\nstandby = "far"') + far
        const fleet = yield* openFleet(toml, { locals })
        for (const [name, message] of [
          ["bytes", "bytes/onnx/model.onnx: expected an ONNX model, found one that onnxruntime refuses: "],
          [
            "image",
            "image/onnx/model.onnx: expected the inputs input_ids, attention_mask, position_ids in integers and past_key_values.…, found pixels (f32)",
          ],
        ] as const) {
          const { report } = yield* ask(fleet, name)
          expect(report.attempts.map(({ outcome }) => outcome)).toEqual(["server-error", "answered"])
          expect(report.attempts[0]!.message).toContain(message)
          expect(report.attempts[0]!.message).not.toContain("\n")
        }
      }),
    live,
  )
})
