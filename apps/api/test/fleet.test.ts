/** A fleet as a user sets it up: `consilium.toml`, a local model and a remote one, the real service and OpenAI's client. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import type { Spend } from "@consilium/cost"
import { encodeRouter, trainRouter } from "@consilium/fleet"
import { startFakePeer } from "@consilium/testing/peer"
import OpenAI from "openai"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { freePort, type RunningService, startService } from "./startService.ts"

const cwd = mkdtempSync(join(tmpdir(), "consilium-fleet-toml-"))
const peer = startFakePeer({ kind: "answer", pieces: ["Buy ", "now!"] })
const adminPort = freePort()
let service: RunningService
let client: OpenAI

const toml = (extra = "", head = ""): string => `
[fleet]
deadline = "60s"
${head}
[fleet.experts.desk]
kind = "local"
model = "consilium-mini"
domain = "bank cards"
description = "lost cards, accounts"
examples = ["I lost my credit card"]
generalist = true
[fleet.experts.copy]
kind = "remote"
url = "${peer.url}"
key-env = "COPY_KEY"
model = "writer"
domain = "marketing"
description = "slogans and campaigns"
standby = "desk"
${extra}`

beforeAll(async () => {
  const questions = [
    "I lost my card",
    "my card was stolen",
    "freeze my account",
    "write a slogan",
    "a campaign",
    "a newsletter",
  ]
  const examples = questions.map((text, i) => ({
    request: { text, numImages: 0, hasTools: false },
    targets: i < 3 ? Float32Array.of(1, 0) : Float32Array.of(0, 1),
  }))
  const training = { experts: ["desk", "copy"], task: "choose", model: "linear", seed: 1 } as const
  writeFileSync(join(cwd, "own.router"), encodeRouter(trainRouter(examples, training)))
  writeFileSync(join(cwd, "consilium.toml"), toml("", 'router = "own.router"'))
  const args = ["--admin-port", String(adminPort), "--threads", "1", "--ledger", "costs.sqlite"]
  service = await startService(args, { cwd, environment: { COPY_KEY: "sk-copy" } })
  client = new OpenAI({ baseURL: `${service.url}/v1`, apiKey: "none", maxRetries: 0 })
}, 60_000)
afterAll(async () => {
  await service.close()
  peer.stop()
  rmSync(cwd, { recursive: true, force: true })
})

const ask = (content: string, model = "auto") =>
  client.chat.completions
    .create({ model, messages: [{ role: "user", content }], max_tokens: 16, temperature: 0 })
    .withResponse()

describe("a fleet in consilium.toml", () => {
  test("routes by its trained router, to our engine and to others", async () => {
    const copy = await ask("Write a slogan for our campaign")
    expect(copy.response.headers.get("x-consilium-expert")).toBe("copy")
    expect(copy.data.choices[0]!.message.content).toBe("Buy now!")
    expect(peer.keys.at(-1)).toBe("Bearer sk-copy")
    const desk = await ask("I lost my credit card")
    expect(desk.response.headers.get("x-consilium-expert")).toBe("desk")
    expect(desk.data.choices[0]!.message.content!.length).toBeGreaterThan(5)
  }, 60_000)

  test("a remote stream that is cut goes on in our engine", async () => {
    peer.does({ kind: "cut", pieces: ["Dear customer, "] })
    const messages = [{ role: "user", content: "Write a slogan" }] as const
    const stream = await client.chat.completions.create({
      model: "copy",
      messages: [...messages],
      stream: true,
      max_tokens: 24,
      temperature: 0,
    })
    let text = ""
    let consilium: { attempts?: { expert: string; outcome: string }[] } = {}
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? ""
      consilium = (chunk as { consilium?: typeof consilium }).consilium ?? consilium
    }
    expect(text).toStartWith("Dear customer, ")
    expect(text.length).toBeGreaterThan(20)
    expect(consilium.attempts).toMatchObject([
      { expert: "copy", outcome: "cut-stream" },
      { expert: "desk", outcome: "answered" },
    ])
  }, 60_000)

  test("the operator sees everyone", async () => {
    const response = await fetch(`http://127.0.0.1:${adminPort}/admin/fleet`)
    const { experts } = (await response.json()) as { experts: Record<string, unknown>[] }
    expect(experts).toMatchObject([
      { name: "desk", kind: "local", local: { isAwake: true } },
      { name: "copy", kind: "remote", breaker: { numFailures: 1 } },
    ])
  })

  test("the operator sees a local expert's own experts, by its name", async () => {
    const at = (path: string) => fetch(`http://127.0.0.1:${adminPort}/admin/models/${path}`)
    const { experts } = (await (await at("desk/experts")).json()) as { experts: { state: string }[] }
    expect(experts.length).toBe(48)
    expect(experts.some(({ state }) => state === "awake")).toBe(true)
    expect((await at("copy/experts")).status).toBe(404)
    const scaled = await fetch(`http://127.0.0.1:${adminPort}/admin/models/desk/scale`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ awakePerLayer: 4 }),
    })
    expect(scaled.status).toBe(200)
  })

  test("the ledger's file has every attempt, and consilium cost adds them up by expert", () => {
    const main = join(import.meta.dir, "../src/main.ts")
    const command = [process.execPath, main, "cost", "--ledger", "costs.sqlite", "--by", "expert", "--json"]
    const { by } = JSON.parse(Bun.spawnSync(command, { cwd }).stdout.toString()) as {
      by: { expert: Spend[] }
    }
    const [copy, desk] = ["copy", "desk"].map((expert) => by.expert.find(({ name }) => name === expert)!)
    expect([copy!.numRequests, desk!.numRequests]).toEqual([2, 2])
    expect(Math.min(copy!.generatedTokens, desk!.generatedTokens)).toBeGreaterThan(0)
    expect(Math.min(desk!.cpuMs, desk!.expertBytes)).toBeGreaterThan(0)
    expect([copy!.cpuMs, copy!.expertBytes]).toEqual([0, 0])
  })

  test("feedback moves the router", async () => {
    const body = JSON.stringify({ expert: "copy", prompt: "freeze my account", reward: 1 })
    const response = await fetch(`${service.url}/v1/feedback`, { method: "POST", body })
    const { before, after } = (await response.json()) as { before: number; after: number }
    expect(after).toBeGreaterThan(before)
  })

  test("the operator has the router's file read anew, which forgets the feedback", async () => {
    const at = `http://127.0.0.1:${adminPort}/admin/fleet`
    const headers = { "content-type": "application/json" }
    const swapped = await fetch(`${at}/router`, { method: "POST", headers, body: "{}" })
    expect(await swapped.json()).toMatchObject({
      router: { kind: "choose", path: "own.router", numTaught: 0 },
      before: { numTaught: 1 },
    })
    writeFileSync(join(cwd, "own.router"), "damaged")
    peer.does({ kind: "answer", pieces: ["Buy ", "now!"] })
    expect((await fetch(`${at}/router`, { method: "POST", headers, body: "{}" })).status).toBe(400)
    expect((await ask("Write a slogan for our campaign")).response.headers.get("x-consilium-expert")).toBe("copy")
  }, 60_000)

  const wrongs: readonly (readonly [what: string, toml: string, message: string, args?: readonly string[]])[] = [
    [
      "a router that is not there",
      toml("", 'router = "none.router"'),
      "none.router: expected a readable router, found ENOENT",
    ],
    ["a price beside those of the table", toml(), "price: expected none beside the [fleet] table", ["--price", "1,2"]],
    ["a budget where nobody has a price", toml(), "budget: expected a price, found none", ["--budget", "key=1,2/day"]],
    [
      "a key that the environment lacks",
      toml(),
      "fleet.experts.copy.key-env: expected a key in the environment variable COPY_KEY",
    ],
    ["a key that nobody knows", toml("colour = 3"), "consilium.toml: fleet.experts.copy.colour: there is no such key"],
    [
      "a model beside it",
      toml(),
      "--model: expected none beside the [fleet] table of consilium.toml",
      ["--model", "consilium-mini"],
    ],
  ]
  test.each(wrongs)("%s is an error at start", async (_, text, message, args = []) => {
    const other = mkdtempSync(join(tmpdir(), "consilium-fleet-bad-"))
    writeFileSync(join(other, "consilium.toml"), text)
    const failure = await startService(args, { cwd: other }).then(
      () => "",
      (error: Error) => error.message,
    )
    rmSync(other, { recursive: true, force: true })
    expect(failure).toContain(message)
  })
})
