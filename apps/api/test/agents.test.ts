/** Agents as clients meet them: the real service with the embedded model, its tools without a network. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import OpenAI from "openai"
import { type RunningService, startService } from "./startService.ts"

const KEY = "secret-key"
const place = mkdtempSync(join(tmpdir(), "consilium-agents-"))

/** An endpoint of the user's own, which changes something. */
const till = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch: async (request) => {
    calls.push(`${request.method} ${new URL(request.url).pathname} ${await request.text()}`)
    return Response.json({ status: "on" })
  },
})
const calls: string[] = []
let service: RunningService
let client: OpenAI

beforeAll(async () => {
  writeFileSync(
    join(place, "consilium.toml"),
    `agent-memory = "${join(place, "kept", "memory.sqlite")}"

[agents.assistant]
search = { results = 1 }

[agents.librarian]
tools = []
knowledge = ["${join(place, "documents")}"]
embedder = { kind = "local" }
passages = 1

[agents.reader]
tools = []
knowledge = ["${join(place, "documents")}"]
passages = 1

[agents.keeper]
description = "switches lights"
tools = ["turn_on_light"]
allow-hosts = ["127.0.0.1"]

[agents.keeper.http.turn_on_light]
description = "Turn on a light in a room."
method = "POST"
url = "http://127.0.0.1:${till.port}/lights"
parameters = { type = "object", properties = { room = { type = "string", description = "Room" } }, required = ["room"] }
`,
  )
  mkdirSync(join(place, "documents"))
  writeFileSync(join(place, "documents", "hours.md"), "# Opening hours\n\nThe branch is open from nine to five.\n")
  writeFileSync(join(place, "documents", "fees.md"), "# Fees\n\nA transfer abroad costs twelve euros.\n")
  service = await startService(["--api-key", KEY, "--max-streams", "4"], { cwd: place })
  client = new OpenAI({ baseURL: `${service.url}/v1`, apiKey: KEY, maxRetries: 0 })
}, 60_000)
afterAll(async () => {
  await service.close()
  await till.stop(true)
  rmSync(place, { recursive: true, force: true })
})

interface Run {
  readonly id: string
  readonly status: string
  readonly output: string
  readonly sources: readonly { readonly title: string }[]
  readonly steps: number
  readonly usage: { readonly prompt_tokens: number }
  readonly trace: readonly Readonly<Record<string, unknown>>[]
  readonly pending?: readonly { readonly call_id: string; readonly tool: string; readonly arguments: string }[]
}

function post(path: string, body: unknown, key = KEY): Promise<Response> {
  return fetch(`${service.url}${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: typeof body === "string" ? body : JSON.stringify(body),
  })
}

async function run(agent: string, body: object): Promise<Run> {
  const response = await post(`/v1/agents/${agent}/runs`, body)
  expect(response.status).toBe(200)
  return (await response.json()) as Run
}

const called = ({ trace }: Run): unknown[] =>
  trace.filter(({ type }) => type === "call").map(({ tool, arguments: args }) => `${tool}(${args})`)

const QUESTIONS = [
  ["What is 45 * 19?", "calculate", "855"],
  ["What's the weather like in Paris?", "get_weather", "Paris"],
  ["Search the web for quantisation", "search_web", "uantisation"],
] as const

describe("runs of an agent", () => {
  test("are listed by their agents, as models too", async () => {
    const listed = await fetch(`${service.url}/v1/agents`, { headers: { authorization: `Bearer ${KEY}` } })
    const { data } = (await listed.json()) as { data: { id: string; tools: string[] }[] }
    expect(data.map(({ id }) => id)).toEqual(["assistant", "librarian", "reader", "keeper"])
    expect(data[0]!.tools).toEqual(["calculate", "get_weather", "search_web"])
    const { data: models } = await client.models.list()
    expect(models.map(({ id }) => id)).toContain("agent:keeper")
  })

  for (const [question, tool, word] of QUESTIONS) {
    test(`${tool}: asked, called, answered`, async () => {
      const done = await run("assistant", { input: question })
      expect(done.status).toBe("completed")
      expect(called(done)[0]).toStartWith(`${tool}(`)
      expect(done.trace.find(({ type }) => type === "result")).toMatchObject({ outcome: "done", tool })
      expect(done.output).toContain(word)
    })

    test(`${tool}: streamed, events tell the same`, async () => {
      const response = await post("/v1/agents/assistant/runs", { input: question, stream: true })
      const lines = (await response.text()).split("\n")
      const events = lines.filter((line) => line.startsWith("event: ")).map((line) => line.slice(7))
      expect(events.filter((event) => event !== "text")).toEqual(["started", "step", "call", "result", "step", "ended"])
      const data = lines.filter((line) => line.startsWith("data: {")).map((line) => JSON.parse(line.slice(6)) as Run)
      expect(data.at(-1)!.status).toBe("completed")
      expect(data.at(-1)!.output).toContain(word)
      expect(lines.at(-3)).toBe("data: [DONE]")
    })

    test(`${tool}: through chat completions, streamed and whole`, async () => {
      const body = { model: "agent:assistant", messages: [{ role: "user" as const, content: question }] }
      const whole = await client.chat.completions.create(body)
      expect(whole.choices[0]!.message.content).toContain(word)
      expect(whole.choices[0]!.message.tool_calls).toBeUndefined()
      expect(whole.usage!.completion_tokens).toBeGreaterThan(0)
      let text = ""
      for await (const chunk of await client.chat.completions.create({ ...body, stream: true }))
        text += chunk.choices[0]?.delta.content ?? ""
      expect(text).toBe(whole.choices[0]!.message.content!)
    })
  }

  test("without an embedder in their table, documents are found in other words than theirs", async () => {
    for (const [question, file] of [
      ["How much do I pay for sending money to another country?", "fees.md"],
      ["Until when can I visit you?", "hours.md"],
    ] as const)
      expect((await run("reader", { input: question })).sources).toMatchObject([{ location: file }])
  })

  test("documents are found by words and meaning, and cited", async () => {
    const { sources, trace } = await run("librarian", { input: "What does a transfer abroad cost?" })
    expect(trace.find(({ type }) => type === "passages")).toBeDefined()
    expect(sources.map(({ title }) => title)).toEqual([expect.stringContaining("Fees")])
  })

  test("a call that changes something waits for a person, and runs once", async () => {
    const waiting = await run("keeper", { input: "Turn on the light in the kitchen" })
    expect(waiting.status).toBe("requires_confirmation")
    expect(waiting.pending).toHaveLength(1)
    expect(calls).toEqual([])
    const path = `/v1/agents/keeper/runs/${waiting.id}/confirm`
    const { call_id: callId } = waiting.pending![0]!
    expect((await post(path, { calls: { nobody: true } })).status).toBe(400)
    expect((await post(path, { calls: {} })).status).toBe(400)
    const done = (await (await post(path, { calls: { [callId]: true } })).json()) as Run
    expect(done.status).toBe("completed")
    expect(calls).toHaveLength(1)
    expect(calls[0]).toStartWith("POST /lights ")
    expect((await post(path, { calls: { [callId]: true } })).status).toBe(404)
    expect(calls).toHaveLength(1)
  })

  test("a chat whose call waits goes on as a run by its id, or beforehand with the user's word", async () => {
    const messages = [{ role: "user" as const, content: "Turn on the light in the kitchen" }]
    const chat = (await client.chat.completions.create({ model: "agent:keeper", messages })) as unknown as {
      readonly id: string
      readonly choices: readonly { readonly finish_reason: string }[]
      readonly consilium: { readonly run: Run }
    }
    const { run: waiting } = chat.consilium
    expect([chat.choices[0]!.finish_reason, waiting.status]).toEqual(["stop", "requires_confirmation"])
    const numCalls = calls.length
    const { call_id: callId } = waiting.pending![0]!
    const refused = await post(`/v1/agents/keeper/runs/${chat.id}/confirm`, { calls: { [callId]: false } })
    const { trace } = (await refused.json()) as Run
    expect(trace.find(({ type }) => type === "result")).toMatchObject({ outcome: "refused" })
    expect(calls).toHaveLength(numCalls)
    const done = await run("keeper", { messages, confirmed: ["turn_on_light"] })
    expect(done.status).toBe("completed")
    expect(calls).toHaveLength(numCalls + 1)
  })

  test("what a user told is recalled in another conversation, and forgotten on demand", async () => {
    const told = { user: "anna", conversation: "monday" }
    await run("assistant", { ...told, input: "My name is Anna." })
    const asked = { input: "What is my name?", conversation: "tuesday" }
    const known = await run("assistant", { ...asked, user: "anna" })
    expect(JSON.stringify(known.trace.find(({ type }) => type === "recalled"))).toContain("Anna")
    const other = await run("assistant", { ...asked, user: "bert" })
    expect(JSON.stringify(other.trace)).not.toContain("Anna")
    const gone = await fetch(`${service.url}/v1/agents/users/anna`, {
      method: "DELETE",
      headers: { authorization: `Bearer ${KEY}` },
    })
    expect(((await gone.json()) as { forgotten: number }).forgotten).toBeGreaterThan(0)
    const after = await run("assistant", { ...asked, user: "anna", conversation: "wednesday" })
    expect(JSON.stringify(after.trace)).not.toContain("My name is Anna")
  })

  test("the service's figures count runs, and what their steps asked of the model", async () => {
    const figure = async (name: string): Promise<number> => {
      const response = await fetch(`${service.url}/metrics`, { headers: { authorization: `Bearer ${KEY}` } })
      const line = (await response.text()).split("\n").find((one) => one.startsWith(`${name} `))
      return Number(line?.split(" ").at(-1) ?? 0)
    }
    const names = [
      'consilium_agent_runs_total{agent="assistant",end="answered"}',
      'consilium_agent_steps_total{agent="assistant"}',
      "consilium_prompt_tokens_total",
    ]
    const before = await Promise.all(names.map(figure))
    const { usage, steps } = await run("assistant", { input: "What is 2 * 3?" })
    const after = await Promise.all(names.map(figure))
    expect(after.map((value, i) => value - before[i]!)).toEqual([1, steps, usage.prompt_tokens])
  })

  test("what cannot be asked gets a clear error", async () => {
    const wrong: [string, unknown, number, string][] = [
      ["/v1/agents/nobody/runs", { input: "Hi" }, 404, "agent_not_found"],
      ["/v1/agents/assistant/runs", {}, 400, "invalid_value"],
      ["/v1/agents/assistant/runs", { input: "" }, 400, "invalid_value"],
      ["/v1/agents/assistant/runs", { input: 7 }, 400, "invalid_value"],
      ["/v1/agents/assistant/runs", { input: "Hi", messages: [] }, 400, "invalid_value"],
      ["/v1/agents/assistant/runs", { messages: [{ role: "assistant", content: "Hi" }] }, 400, "invalid_value"],
      ["/v1/agents/assistant/runs", { input: "Hi", confirmed: "all" }, 400, "invalid_value"],
      ["/v1/agents/assistant/runs", { input: "Hi", user: "" }, 400, "invalid_value"],
      ["/v1/agents/assistant/runs", "{", 400, "invalid_json"],
      ["/v1/agents/assistant/runs", { input: "word ".repeat(5000) }, 400, "context_length_exceeded"],
      [
        "/v1/chat/completions",
        { model: "agent:nobody", messages: [{ role: "user", content: "Hi" }] },
        404,
        "agent_not_found",
      ],
    ]
    for (const [path, body, status, code] of wrong) {
      const response = await post(path, body)
      const { error } = (await response.json()) as { error: { code: string } }
      expect([path, JSON.stringify(body).slice(0, 60), response.status, error.code]).toEqual([
        path,
        JSON.stringify(body).slice(0, 60),
        status,
        code,
      ])
    }
    expect((await post("/v1/agents/assistant/runs", { input: "Hi" }, "wrong")).status).toBe(401)
  })
})
