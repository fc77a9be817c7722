/** Agents over a fleet of fake peers, through HTTP in one process. */
import { afterAll, beforeEach, describe, expect, test } from "bun:test"
import { type PeerBehaviour, startFakePeer } from "@consilium/testing/peer"
import { openFleetService } from "./openFleetService.ts"

const peer = startFakePeer()
/** An endpoint of the user's own, which answers when a test wants it to. */
const stock = { answer: (): Response | Promise<Response> => Response.json({ left: 7 }), numLeft: 0 }
const shop = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch(request) {
    request.signal.addEventListener("abort", () => stock.numLeft++)
    return stock.answer()
  },
})

const TOML = `
[fleet]
[fleet.experts.copy]
kind = "remote"
url = "${peer.url}"
model = "writer"
domain = "shop"
price = { input = 1000, output = 1000 }
[agents.clerk]
description = "knows what is left"
tools = ["stock", "calculate", "remember"]
limits = { parallel-calls = 2 }
allow-hosts = ["127.0.0.1"]
[agents.clerk.http.stock]
description = "What is left."
url = "http://127.0.0.1:${shop.port}/stock"
[agents.named]
model = "copy"
`
const open: (() => Promise<void>)[] = []
afterAll(async () => {
  for (const close of open) await close()
  peer.stop()
  await shop.stop(true)
})
beforeEach(() => {
  stock.answer = () => Response.json({ left: 7 })
  peer.does(says("Seven are left."))
})

async function openService(budgets = "") {
  const { app, close, entries } = await openFleetService(TOML, budgets)
  open.push(close)
  const send = (path: string, method = "POST", body?: object, signal?: AbortSignal): Promise<Response> =>
    app.handle(
      new Request(`http://localhost${path}`, {
        method,
        headers: { authorization: "Bearer k" },
        ...(body && { body: JSON.stringify(body) }),
        ...(signal && { signal }),
      }),
    )
  return { send, entries }
}

const chunk = (delta: object, reason: string | null): string =>
  JSON.stringify({ choices: [{ index: 0, delta, finish_reason: reason }] })
const usage = (numTokens: number): string =>
  JSON.stringify({ choices: [], usage: { prompt_tokens: 7, completion_tokens: numTokens } })

const says = (text: string, numTokens = 3): PeerBehaviour => ({
  kind: "raw",
  events: [chunk({ content: text }, null), chunk({}, "stop"), usage(numTokens), "[DONE]"],
})

/** Calls these tools at first, and answers then. */
function callsFirst(...tools: readonly string[]): (body: Record<string, unknown>) => PeerBehaviour {
  const calls = tools.map((name, index) =>
    chunk({ tool_calls: [{ index, id: `c${index}`, function: { name, arguments: "{}" } }] }, null),
  )
  return ({ messages }) =>
    (messages as { role: string }[]).some(({ role }) => role === "tool")
      ? says("Seven are left.")
      : { kind: "raw", events: [...calls, chunk({}, "tool_calls"), usage(3), "[DONE]"] }
}

interface Run {
  readonly status: string
  readonly output: string
  readonly usage: Record<string, number>
  readonly trace: readonly Record<string, unknown>[]
}

const RUNS = "/v1/agents/clerk/runs"
const QUESTION = { input: "How many are left?" }
const CHAT = { model: "agent:clerk", messages: [{ role: "user", content: QUESTION.input }] }

describe("an agent over a fleet", () => {
  test("asks, calls and answers; each step is paid for in the agent's name", async () => {
    const { send, entries } = await openService()
    peer.does(callsFirst("stock"))
    const run = (await (await send(RUNS, "POST", { ...QUESTION, domain: "sales" })).json()) as Run
    expect([run.status, run.output]).toEqual(["completed", "Seven are left."])
    expect(run.trace.find(({ type }) => type === "result")).toMatchObject({ outcome: "done", text: '{"left":7}' })
    expect(run.trace.filter(({ type }) => type === "step")).toMatchObject([{ expert: "copy" }, { expert: "copy" }])
    expect(run.usage).toMatchObject({ prompt_tokens: 14, completion_tokens: 6, cost_usd: expect.closeTo(0.02, 9) })
    expect(entries).toMatchObject([
      { agent: "clerk", domain: "sales", expert: "copy", model: "writer", outcome: "done" },
      { agent: "clerk", domain: "sales", expert: "copy", model: "writer", outcome: "done" },
    ])
    expect(entries.reduce((sum, { costUsd }) => sum + costUsd, 0)).toBeCloseTo(0.02, 9)
    expect(new Set(entries.map(({ key }) => key)).size).toBe(1)
  })

  test("streams the same, as a run and as a chat", async () => {
    const { send, entries } = await openService()
    peer.does(callsFirst("stock"))
    const run = await (await send(RUNS, "POST", { ...QUESTION, stream: true })).text()
    const names = [...run.matchAll(/^event: (.*)$/gm)].map(([, name]) => name)
    expect(names).toEqual(["started", "step", "call", "result", "text", "step", "ended"])
    expect(run).toEndWith("data: [DONE]\n\n")
    const chat = await (await send("/v1/chat/completions", "POST", { ...CHAT, stream: true })).text()
    expect(chat).toContain('"content":"Seven are left."')
    expect(chat).not.toContain("tool_calls")
    const whole = (await (await send("/v1/chat/completions", "POST", CHAT)).json()) as {
      readonly consilium: { readonly cost: { readonly usd: number }; readonly run: Run }
    }
    expect(whole.consilium.cost.usd).toBeCloseTo(0.02, 9)
    expect(whole.consilium.run.status).toBe("completed")
    expect(entries.map(({ agent }) => agent)).toEqual(Array.from({ length: 6 }, () => "clerk"))
  })

  test("a chat has what was said before a call as a paragraph of its own, streamed and whole", async () => {
    const { send } = await openService()
    const call = { index: 0, id: "c0", function: { name: "stock", arguments: "{}" } }
    const first = [chunk({ content: "Let me look." }, null), chunk({ tool_calls: [call] }, null)]
    peer.does(({ messages }) =>
      (messages as { role: string }[]).some(({ role }) => role === "tool")
        ? says("Seven are left.")
        : { kind: "raw", events: [...first, chunk({}, "tool_calls"), usage(3), "[DONE]"] },
    )
    const said = "Let me look.\n\nSeven are left."
    const whole = (await (await send("/v1/chat/completions", "POST", CHAT)).json()) as {
      readonly choices: readonly { readonly message: { readonly content: string } }[]
    }
    expect(whole.choices[0]!.message.content).toBe(said)
    const stream = await (await send("/v1/chat/completions", "POST", { ...CHAT, stream: true })).text()
    const pieces = [...stream.matchAll(/"content":("[^"]*")/g)].map(([, piece]) => JSON.parse(piece!) as string)
    expect(pieces.join("")).toBe(said)
  })

  test("a budget that is used up is 402, streamed or not, and nobody is asked", async () => {
    const { send } = await openService("agent:clerk=0,20/day")
    peer.does(says("Seven.", 20_000))
    expect((await send(RUNS, "POST", QUESTION)).status).toBe(200)
    const numAsked = peer.requests.length
    for (const [path, body] of [
      [RUNS, QUESTION],
      [RUNS, { ...QUESTION, stream: true }],
      ["/v1/chat/completions", CHAT],
      ["/v1/chat/completions", { ...CHAT, stream: true }],
    ] as const) {
      const response = await send(path, "POST", body)
      expect([response.status, await response.json()]).toMatchObject([402, { error: { code: "budget_exceeded" } }])
    }
    expect(peer.requests).toHaveLength(numAsked)
    expect((await send("/v1/agents/named/runs", "POST", QUESTION)).status).toBe(200)
  })

  test("a budget beyond its soft limit warns, streamed or not", async () => {
    const { send } = await openService("agent:clerk=0,20/day")
    for (const [path, body] of [
      [RUNS, QUESTION],
      [RUNS, { ...QUESTION, stream: true }],
      ["/v1/chat/completions", CHAT],
      ["/v1/chat/completions", { ...CHAT, stream: true }],
    ] as const) {
      const { headers } = await send(path, "POST", body)
      expect(headers.get("x-consilium-budget")).toContain("agent clerk")
    }
  })

  test("a client that leaves ends the tools of its run, and the run", async () => {
    const { send } = await openService()
    for (const body of [QUESTION, { ...QUESTION, stream: true }]) {
      const asked = Promise.withResolvers<void>()
      stock.answer = () => {
        asked.resolve()
        return Promise.withResolvers<Response>().promise
      }
      peer.does(callsFirst("stock"))
      const { numLeft } = stock
      const numAsked = peer.requests.length
      const leaving = new AbortController()
      const answer = send(RUNS, "POST", body, leaving.signal).catch(() => undefined)
      await asked.promise
      leaving.abort()
      await answer
      await until(() => stock.numLeft === numLeft + 1)
      expect(peer.requests).toHaveLength(numAsked + 1)
    }
    expect(await metric(send, "consilium_agent_runs_total{")).toEqual([])
  })
})

describe("what operators see of agents", () => {
  test("runs and calls, without a series for what clients and models make up", async () => {
    const { send } = await openService()
    peer.does(callsFirst("stock", "made-up-1", "made-up-2", "made-up-3"))
    await send(RUNS, "POST", QUESTION)
    for (let i = 0; i < 3; i++) {
      await send(`/v1/agents/nobody-${i}/runs`, "POST", QUESTION)
      await send("/v1/chat/completions", "POST", { ...CHAT, model: `agent:nobody-${i}` })
      await send(`/v1/agents/clerk/runs/run-${i}/confirm`, "POST", { calls: { c0: true } })
    }
    expect(await metric(send, "consilium_agent_runs_total{")).toEqual([
      'consilium_agent_runs_total{agent="clerk",end="answered"} 1',
    ])
    expect(await metric(send, "consilium_agent_calls_total{")).toEqual([
      'consilium_agent_calls_total{agent="clerk",tool="unknown",outcome="unknown-tool"} 1',
      'consilium_agent_calls_total{agent="clerk",tool="unknown",outcome="too-many"} 2',
      'consilium_agent_calls_total{agent="clerk",tool="stock",outcome="done"} 1',
    ])
    const text = (await metric(send, "consilium_")).join("\n")
    expect(text).not.toContain("nobody-")
    expect(text).not.toContain("made-up")
  })

  test("requests by route, whatever agents and runs they name", async () => {
    const { send } = await openService()
    await send(RUNS, "POST", QUESTION)
    await send("/v1/agents/named/runs", "POST", QUESTION)
    await send("/v1/chat/completions", "POST", CHAT)
    await until(async () => (await metric(send, 'consilium_http_requests_total{route="/v1/chat')).length > 0)
    expect(await metric(send, "consilium_http_requests_total{")).toEqual([
      'consilium_http_requests_total{route="/v1/agents/:name/runs",status="200"} 2',
      'consilium_http_requests_total{route="/v1/chat/completions",status="200"} 1',
    ])
  })

  test("attempts at experts and what they cost count agents' too", async () => {
    const { send } = await openService()
    await send(RUNS, "POST", QUESTION)
    expect(await metric(send, "consilium_fleet_attempts_total{")).toEqual([
      'consilium_fleet_attempts_total{expert="copy",outcome="answered"} 1',
    ])
    expect(await metric(send, "consilium_fleet_answers_total{")).toEqual([
      'consilium_fleet_answers_total{expert="copy"} 1',
    ])
  })
})

describe("DELETE /v1/agents/users/{user}", () => {
  const remember = async (send: Awaited<ReturnType<typeof openService>>["send"], user: string) => {
    expect((await send(RUNS, "POST", { input: "My name is Anna.", user })).status).toBe(200)
  }

  test("forgets the user of this name, whatever characters it has", async () => {
    const { send } = await openService()
    const users = ["anna", "100%", "a%25", "a%", "a/b", "ä b", "null"]
    for (const user of users) await remember(send, user)
    for (const user of users) {
      const response = await send(`/v1/agents/users/${encodeURIComponent(user)}`, "DELETE")
      expect([response.status, await response.json()]).toMatchObject([200, { user, forgotten: 2 }])
    }
  })

  test("a name that is none forgets nobody", async () => {
    const { send } = await openService()
    await remember(send, "null")
    const response = await send("/v1/agents/users/%E4", "DELETE")
    expect([response.status, await response.json()]).toMatchObject([400, { error: { param: "user" } }])
    expect(await (await send("/v1/agents/users/null", "DELETE")).json()).toMatchObject({ forgotten: 2 })
  })
})

/** Lines of the service's figures that begin so. */
async function metric(
  send: Awaited<ReturnType<typeof openService>>["send"],
  start: string,
): Promise<readonly string[]> {
  const text = await (await send("/metrics", "GET")).text()
  return text.split("\n").filter((line) => line.startsWith(start))
}

async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error("it did not come about within 10 s")
    await Bun.sleep(5)
  }
}
