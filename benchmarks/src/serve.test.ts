/** The load against an OpenAI-compatible server in this process, on the loopback. */
import { afterEach, expect, test } from "bun:test"
import type { Server } from "bun"
import { streamChat } from "./load/streamChat.ts"
import { serve } from "./serve.ts"
import type { Measurement, SuiteOptions } from "./Suite.ts"

interface Asked {
  readonly model: string
  readonly max_tokens: number
  readonly messages: readonly { readonly content: string }[]
  readonly [field: string]: unknown
}

let server: Server<undefined> | undefined
afterEach(() => server?.stop(true))

/** Starts a server that answers each chat request, seen with its headers, by what `answer` returns. */
function listen(answer: (asked: Asked, request: Request, index: number) => Response | Promise<Response>): string {
  let numAsked = 0
  server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) => answer((await request.json()) as Asked, request, numAsked++),
  })
  return `http://127.0.0.1:${server.port}`
}

const event = (chunk: object): string => `data: ${JSON.stringify(chunk)}\n\n`
/** A stream of `max_tokens` words, as llama.cpp and vLLM write it: a role first, usage last. */
function stream({ max_tokens: numTokens, messages }: Asked): Response {
  const numPromptTokens = 5 + 2 * messages[0]!.content.split(" ").length
  const usage = { completion_tokens: numTokens, prompt_tokens: numPromptTokens }
  const events = [
    event({ choices: [{ delta: { role: "assistant" } }] }),
    ...Array.from({ length: numTokens }, () => event({ choices: [{ delta: { content: "word " } }] })),
    event({ choices: [], usage }),
    "data: [DONE]\n\n",
  ]
  return new Response(events.join(""), { headers: { "content-type": "text/event-stream" } })
}

function optionsOf(flags: Record<string, string>): SuiteOptions {
  return {
    root: "/nowhere",
    modelDir: "/nowhere",
    cacheDir: "/nowhere",
    format: "int8",
    backend: "reference",
    formats: ["int8"],
    backends: ["reference"],
    numThreads: 1,
    flags: { requests: "8", rate: "400", "max-tokens": "64", ...flags },
    signal: new AbortController().signal,
    expect: () => {},
    report: () => {},
  }
}

async function run(flags: Record<string, string>): Promise<readonly Measurement[]> {
  const measurements: Measurement[] = []
  for await (const measurement of serve.run(optionsOf(flags))) measurements.push(measurement)
  return measurements
}

test("serve: sends the whole trace to a server, at its lengths, and reports what clients saw", async () => {
  const asked: Asked[] = []
  const keys = new Set<string | null>()
  const url = listen((one, request) => {
    asked.push(one)
    keys.add(request.headers.get("authorization"))
    return stream(one)
  })
  const measurements = await run({ url, "api-key": "secret", "model-name": "rival" })
  const of = (name: string, unit: string): Measurement => measurements.find((m) => m.name === name && m.unit === unit)!
  expect(of("goodput", "%").samples).toEqual([100])
  expect(of("time to first token", "ms").samples).toHaveLength(8)
  expect(measurements.every(({ contender }) => contender === "rival")).toBe(true)

  // One asks whether answers can be endless, two how tokens are counted.
  const load = asked.slice(3)
  expect(load).toHaveLength(8)
  expect([...keys]).toEqual(["Bearer secret"])
  for (const { model, max_tokens: numTokens, messages, ignore_eos: isEndless } of load) {
    expect({ model, isEndless }).toEqual({ model: "rival", isEndless: true })
    expect(5 + 2 * messages[0]!.content.split(" ").length + numTokens).toBeLessThanOrEqual(65)
  }
  expect(new Set(load.map(({ messages }) => messages[0]!.content)).size).toBe(8)
  expect(of("all together", "tok/s").note).toBe(`${load.reduce((sum, one) => sum + one.max_tokens, 0)} tokens`)
})

test("serve: a server that refuses the field for endless answers is loaded without it", async () => {
  const url = listen((asked) =>
    "ignore_eos" in asked ? new Response("unknown field", { status: 400 }) : stream(asked),
  )
  expect((await run({ url })).find(({ name }) => name === "goodput")!.samples).toEqual([100])
})

test("serve: requests that fail count against the goodput", async () => {
  const url = listen((asked, _, index) => (index === 5 ? new Response("overloaded", { status: 503 }) : stream(asked)))
  const goodput = (await run({ url })).find(({ name }) => name === "goodput")!
  expect(goodput.samples).toEqual([87.5])
  expect(goodput.note).toContain("8 requests, 1 failed")
})

test("serve: a server that never answers ends with the time, and that it answered nothing is an error", async () => {
  const url = listen((asked, _, index) => (index < 3 ? stream(asked) : new Promise<Response>(() => {})))
  await expect(run({ url, seconds: "0.2" })).rejects.toThrow("none of 8 requests was answered within 0.2 s")
})

test("serve: a load does not wait for the answers before it", async () => {
  let numOpen = 0
  const { promise: allOpen, resolve } = Promise.withResolvers<void>()
  const url = listen(async (asked, _, index) => {
    if (index < 3) return stream(asked)
    if (++numOpen === 8) resolve()
    await allOpen
    return stream(asked)
  })
  expect((await run({ url, seconds: "20" })).find(({ name }) => name === "goodput")).toBeDefined()
  expect(numOpen).toBe(8)
})

test("serve: another load, server or model has another record name", () => {
  const names = [{}, { trace: "/data/azure.csv" }, { url: "http://127.0.0.1:1/v1" }].map((flags) =>
    serve.variant!({ flags, modelDir: "" }),
  )
  expect(names).toEqual(["synthetic", "azure", "synthetic-127.0.0.1:1-default"])
})

test("streamChat: a stream that breaks off, says nothing or is cut inside a character is taken for what it is", async () => {
  const call = { model: "m", prompt: "p", maxTokens: 1 }
  const body = (text: string) => listen(() => new Response(text))
  await expect(streamChat({ ...call, url: body(event({ error: { message: "out of memory" } })) })).rejects.toThrow(
    "out of memory",
  )
  server?.stop(true)
  await expect(streamChat({ ...call, url: body("data: [DONE]\n\n") })).rejects.toThrow("without a token")
  server?.stop(true)
  const bytes = new TextEncoder().encode(event({ choices: [{ delta: { content: "é" } }] }))
  const url = listen(
    () =>
      new Response(
        new ReadableStream({
          start(controller) {
            for (const byte of bytes) controller.enqueue(Uint8Array.of(byte))
            controller.close()
          },
        }),
      ),
  )
  const { numTokens, numPromptTokens } = await streamChat({ ...call, url })
  expect({ numTokens, numPromptTokens }).toEqual({ numTokens: 1, numPromptTokens: undefined })
})
