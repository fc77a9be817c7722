/** What requests cost, from the real service to `consilium cost`. */
import { openSqliteStore, type LedgerEntry } from "@consilium/cost"
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import OpenAI, { APIError, BadRequestError } from "openai"
import { errorOf } from "./errorOf.ts"
import { type RunningService, startService } from "./startService.ts"

const KEY = "sk-secret-of-a-client"
const dir = mkdtempSync(join(tmpdir(), "consilium-costs-"))
const path = join(dir, "costs.sqlite")
let service: RunningService
let client: OpenAI

beforeAll(async () => {
  const budget = "agent:poor=0,0.00001/day; agent:warned=0.000001,5/day; agent:assistant=0.000001,5/day"
  service = await startService(["--ledger", path, "--price", "1,4", "--budget", budget, "--max-streams", "4"])
  client = new OpenAI({ baseURL: `${service.url}/v1`, apiKey: KEY, maxRetries: 0 })
}, 60_000)
afterAll(async () => {
  await service.close()
  rmSync(dir, { recursive: true, force: true })
})

const ask = (consilium: object, rest: object = {}) =>
  client.chat.completions
    .create({
      model: "default",
      messages: [{ role: "user", content: "Hello!" }],
      temperature: 0,
      consilium,
      ...rest,
    } as OpenAI.ChatCompletionCreateParamsNonStreaming)
    .withResponse()

function entries(): LedgerEntry[] {
  const store = openSqliteStore(path, 1e6)
  try {
    return [...store.entries({})]
  } finally {
    store.close()
  }
}

/** Runs `consilium cost` on the ledger. */
function cost(...args: string[]) {
  const main = join(import.meta.dir, "../src/main.ts")
  const { stdout, stderr, exitCode } = Bun.spawnSync([process.execPath, main, "cost", "--ledger", path, ...args], {
    cwd: dir,
    // Nobody listens there.
    env: { ...process.env, HF_ENDPOINT: "http://127.0.0.1:1", CONSILIUM_CACHE_DIR: join(dir, "cache") },
  })
  return { stdout: stdout.toString(), stderr: stderr.toString(), exitCode }
}

describe("costs", () => {
  test("an answer says what it cost, and the ledger keeps it under a name that is not the key", async () => {
    const { data } = await ask({ agent: "writer", domain: "greetings" })
    const usd = (data.usage!.prompt_tokens * 1 + data.usage!.completion_tokens * 4) / 1e6
    expect((data as unknown as { consilium: { cost: object } }).consilium.cost).toEqual({
      usd: expect.closeTo(usd, 12),
    })
    const [entry] = entries()
    expect(entry).toMatchObject({
      requestId: data.id,
      agent: "writer",
      domain: "greetings",
      expert: "consilium-mini",
      outcome: "done",
    })
    expect(entry!.costUsd).toBeCloseTo(usd, 12)
    expect([entry!.promptTokens, entry!.generatedTokens]).toEqual([
      data.usage!.prompt_tokens,
      data.usage!.completion_tokens,
    ])
    expect(entry!.key).toMatch(/^[0-9a-f]{12}$/)
    expect(Math.min(entry!.cpuMs, entry!.expertBytes, entry!.durationMs)).toBeGreaterThan(0)
    for (const file of [path, `${path}-wal`])
      if (existsSync(file)) expect(readFileSync(file, "latin1")).not.toContain(KEY)
  })

  test("streams are kept, also one whose client left", async () => {
    const stream = await client.chat.completions.create({
      model: "default",
      messages: [{ role: "user", content: "Tell me a long story about a lost parcel." }],
      stream: true,
      max_tokens: 1500,
      // It does not end by itself.
      logit_bias: { "4089": -100, "4087": -100 },
      consilium: { agent: "leaver" },
    } as OpenAI.ChatCompletionCreateParamsStreaming)
    for await (const _ of stream) break
    stream.controller.abort()
    const deadline = performance.now() + 10_000
    while (!entries().some(({ agent }) => agent === "leaver") && performance.now() < deadline) await Bun.sleep(20)
    const left = entries().find(({ agent }) => agent === "leaver")!
    expect(left.outcome).toBe("cancelled")
    expect(left.generatedTokens).toBeGreaterThan(0)
    expect(left.generatedTokens).toBeLessThan(1500)
  })

  test("a budget's soft limit warns, its hard one refuses before anything is computed", async () => {
    const { response } = await ask({ agent: "warned" })
    expect(response.headers.get("x-consilium-budget")).toContain("agent warned")
    const error = (await errorOf(ask({ agent: "poor" }))) as APIError
    expect([error.status, error.code, error.type]).toEqual([402, "budget_exceeded", "insufficient_quota"])
    expect(error.message).toContain("agent poor")
    expect(entries().some(({ agent }) => agent === "poor")).toBe(false)
  })

  test("an agent's steps go on the ledger in its name, and its answers warn of its budgets", async () => {
    const question = "What is 45 * 19?"
    const headers = { authorization: `Bearer ${KEY}` }
    const send = (path: string, body: object): Promise<Response> =>
      fetch(`${service.url}/v1/${path}`, { method: "POST", headers, body: JSON.stringify(body) })
    const chat = { model: "agent:assistant", messages: [{ role: "user", content: question }] }
    for (const stream of [false, true]) {
      for (const [path, body] of [
        ["agents/assistant/runs", { input: question, domain: "sums", stream }],
        ["chat/completions", { ...chat, stream }],
      ] as const) {
        const response = await send(path, body)
        await response.text()
        expect(response.headers.get("x-consilium-budget"), path).toContain("agent assistant")
      }
    }
    const own = entries().filter(({ agent }) => agent === "assistant")
    expect(own.map(({ domain }) => domain).toSorted()).toEqual(["", "", "", "", "sums", "sums", "sums", "sums"])
    expect(own.every(({ outcome, costUsd, key }) => outcome === "done" && costUsd > 0 && key !== "")).toBe(true)
  })

  test("names are short texts", async () => {
    for (const consilium of [{ agent: "x".repeat(101) }, { domain: 7 }])
      expect(await errorOf(ask(consilium))).toBeInstanceOf(BadRequestError)
  })
})

describe("consilium cost", () => {
  test("adds up the ledger by every dimension, while the service goes on", () => {
    const { stdout, exitCode } = cost()
    expect(exitCode).toBe(0)
    for (const word of [
      "by agent",
      "by key",
      "writer",
      "greetings",
      "against all to the strongest model",
      "against dense of consilium-mini's size",
    ])
      expect(stdout).toContain(word)
    const { total, by } = JSON.parse(cost("--json", "--by", "agent").stdout) as {
      total: { costUsd: number }
      by: Record<string, { costUsd: number }[]>
    }
    expect(Object.keys(by)).toEqual(["agent"])
    expect(by.agent!.reduce((sum, { costUsd }) => sum + costUsd, 0)).toBeCloseTo(total.costUsd, 12)
  })

  test("says what ten times the price would have cost, and what a dense model would, with measured rates and error bars", () => {
    const record = join(dir, "sparse.json")
    const measured = (name: string, network: string, samples: number[], note?: string) => ({
      name,
      contender: `x64 int8, ${network}`,
      unit: "ms",
      samples,
      note,
    })
    writeFileSync(
      record,
      JSON.stringify({
        suite: "sparse",
        date: "2026-01-02T00:00:00Z",
        machine: { cpu: "", numCores: 1 },
        measurements: ["decode, 1 row", "decode, 16 rows", "prefill, 512 rows"].flatMap((name) => [
          measured(name, "experts", [1, 1.1], "4 of 32 experts chosen"),
          measured(name, "dense of all", [7, 8, 9]),
        ]),
      }),
    )
    const report = JSON.parse(cost("--json", "--strongest", "10,40", "--rates", record).stdout)
    expect(report.strongest.saving.saved.value).toBeCloseTo(0.9, 9)
    const { value, p10, p90 } = report.dense.saving.saved
    expect(report.dense.measured).toEqual({ path: record, date: "2026-01-02", who: "x64 int8" })
    expect(value).toBeGreaterThan(0)
    expect(p10).toBeLessThan(value)
    expect(p90).toBeGreaterThan(value)
    expect(p90).toBeLessThan(0.75)
  })

  test("downloads no model: one that is not here is not compared, and the report says so", () => {
    const { stdout, stderr, exitCode } = cost("--model", "somebody/large")
    expect([exitCode, stderr]).toEqual([0, ""])
    expect(stdout).toContain("against dense of the same size: not compared, somebody/large is not on this machine")
    expect(stdout).toContain("writer")
  })

  test.each([
    [["--by", "town"], "--by: expected one of"],
    [["--days", "x"], "--days: expected"],
    [["--strongest", "1"], "--strongest: expected"],
    [["--rates", "/nowhere.json"], "expected a record"],
    [["--ledger", "/nowhere.sqlite"], "expected a ledger"],
  ])("%j is one clear line", (args, words) => {
    const { stderr, exitCode } = cost(...args)
    expect([exitCode, stderr.includes(words)]).toEqual([1, true])
  })
})
