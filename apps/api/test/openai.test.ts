/** What clients rely on: OpenAI's own client against the real service with the embedded model. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import OpenAI, { NotFoundError } from "openai"
import { errorOf } from "./errorOf.ts"
import { type RunningService, startService } from "./startService.ts"

const KEY = "secret-key"
let service: RunningService
let client: OpenAI

beforeAll(async () => {
  service = await startService(["--api-key", KEY, "--max-streams", "4", "--admin-port", "0"])
  client = new OpenAI({ baseURL: `${service.url}/v1`, apiKey: KEY, maxRetries: 0 })
}, 60_000)
afterAll(() => service.close())

const ask = (content: string, rest: Partial<OpenAI.ChatCompletionCreateParamsNonStreaming> = {}) =>
  client.chat.completions.create({ model: "default", messages: [{ role: "user", content }], temperature: 0, ...rest })

const WEATHER: OpenAI.ChatCompletionTool = {
  type: "function",
  function: {
    name: "get_weather",
    description: "Get the current weather for a city.",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
}

describe("models", () => {
  test("are listed and found by id", async () => {
    const { data } = await client.models.list()
    expect(data.map(({ id }) => id)).toEqual(["consilium-mini", "agent:assistant"])
    expect((await client.models.retrieve("consilium-mini")).object).toBe("model")
    expect(await errorOf(client.models.retrieve("nobody/nothing"))).toBeInstanceOf(NotFoundError)
  })
})

describe("chat completions", () => {
  test("answer with text, usage and our own field", async () => {
    const answer = await ask("Hello!")
    expect(answer.choices[0]!.message.content).toBe("Hello! How can I help you today?")
    expect(answer.choices[0]!.finish_reason).toBe("stop")
    expect(answer.usage).toMatchObject({ prompt_tokens: 10, completion_tokens: 10, total_tokens: 20 })
    const { consilium } = answer as unknown as { consilium: { timing: Record<string, number> } }
    expect(consilium).toMatchObject({ requestId: answer.id, degraded: [] })
    const { ttftMs, tpotMs, longestGapMs, queueMs } = consilium.timing as Record<string, number>
    expect(ttftMs).toBeGreaterThan(queueMs!)
    expect(longestGapMs).toBeGreaterThanOrEqual(tpotMs!)
    expect(tpotMs).toBeGreaterThan(0)
  })

  test("compute a system prompt once for all who share it, at the same moment or later, and say so", async () => {
    const system = "You are the assistant of a small bakery in Oslo. ".repeat(12)
    const about = async (question: string): Promise<number> => {
      const { usage } = await client.chat.completions.create({
        model: "default",
        messages: [
          { role: "system", content: system },
          { role: "user", content: question },
        ],
        max_tokens: 2,
      })
      return usage!.prompt_tokens_details!.cached_tokens!
    }
    const together = await Promise.all(["Hello!", "Who are you?", "When do you open?", "Bye!", "Rye bread?"].map(about))
    const later = await about("Do you sell cakes?")
    expect([...together, later].filter((cached) => cached < 100).length).toBe(1)
  })

  test("stream the same text, with usage in a last chunk of its own", async () => {
    const stream = await client.chat.completions.create({
      model: "consilium-mini",
      messages: [{ role: "user", content: [{ type: "text", text: "Hello!" }] }],
      temperature: 0,
      stream: true,
      stream_options: { include_usage: true },
    })
    let text = ""
    const finishes: (string | null)[] = []
    let last: OpenAI.ChatCompletionChunk | undefined
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? ""
      if (chunk.choices[0]?.finish_reason) finishes.push(chunk.choices[0].finish_reason)
      last = chunk
    }
    expect(text).toBe("Hello! How can I help you today?")
    expect(finishes).toEqual(["stop"])
    expect([last?.choices, last?.usage?.completion_tokens]).toEqual([[], 10])
  })

  test("call a tool, in one piece and streamed, and use its result", async () => {
    const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: "What's the weather in Oslo?" }]
    const called = await client.chat.completions.create({
      model: "default",
      messages,
      tools: [WEATHER],
      temperature: 0,
    })
    const [call] = called.choices[0]!.message.tool_calls ?? []
    expect(called.choices[0]!.finish_reason).toBe("tool_calls")
    expect(call?.type === "function" && [call.function.name, JSON.parse(call.function.arguments)]).toEqual([
      "get_weather",
      { city: "Oslo" },
    ])

    const streamed = await client.chat.completions
      .stream({ model: "default", messages, tools: [WEATHER], temperature: 0 })
      .finalChatCompletion()
    expect(streamed.choices[0]!.message.tool_calls?.[0]).toMatchObject({
      function: { name: "get_weather", arguments: '{"city":"Oslo"}' },
    })

    const answer = await client.chat.completions.create({
      model: "default",
      messages: [
        ...messages,
        called.choices[0]!.message,
        { role: "tool", tool_call_id: call!.id, content: '{"temperature": 7, "condition": "rain"}' },
      ],
      tools: [WEATHER],
      temperature: 0,
    })
    expect(answer.choices[0]!.message.content).toContain("7")
  })

  test("tool_choice none keeps tools out", async () => {
    const answer = await ask("What's the weather in Oslo?", { tools: [WEATHER], tool_choice: "none" })
    expect(answer.choices[0]!.message.tool_calls).toBeUndefined()
  })

  test("n choices differ by their draws, and a seed repeats them", async () => {
    const draw = () => ask("Write a slogan for a bakery.", { n: 3, seed: 11, temperature: 1.5, max_tokens: 12 })
    const [first, second] = [await draw(), await draw()]
    const texts = first.choices.map(({ message }) => message.content)
    expect(first.choices.map(({ index }) => index)).toEqual([0, 1, 2])
    expect(new Set(texts).size).toBeGreaterThan(1)
    expect(second.choices.map(({ message }) => message.content)).toEqual(texts)
  })

  test("log-probabilities come per token, best alternatives first", async () => {
    const { choices } = await ask("Hello!", { logprobs: true, top_logprobs: 3 })
    const content = choices[0]!.logprobs!.content!
    expect(content.map(({ token }) => token).join("")).toBe("Hello! How can I help you today?")
    for (const { logprob, top_logprobs: top } of content) {
      expect(top.length).toBe(3)
      expect(top[0]!.logprob).toBeCloseTo(logprob, 5)
      expect(top[0]!.logprob).toBeGreaterThanOrEqual(top[1]!.logprob)
    }
  })

  test("stop strings and max_tokens end the answer, with their reasons", async () => {
    const stopped = await ask("Hello!", { stop: [" help"] })
    expect([stopped.choices[0]!.message.content, stopped.choices[0]!.finish_reason]).toEqual([
      "Hello! How can I",
      "stop",
    ])
    const cut = await ask("Hello!", { max_tokens: 2 })
    expect([cut.choices[0]!.message.content, cut.choices[0]!.finish_reason]).toEqual(["Hello!", "length"])
  })

  test("a routing trace is given on demand: per layer, experts and weights of every position", async () => {
    const { choices, consilium } = (await ask("Hello!", { consilium: { trace: true } } as object)) as unknown as {
      choices: unknown[]
      consilium: {
        trace: { firstPosition: number; layers: { layer: number; expertIds: number[][]; weights: number[][] }[] }[]
      }
    }
    expect(choices.length).toBe(1)
    const [prompt] = consilium.trace
    expect([prompt!.firstPosition, prompt!.layers.length, prompt!.layers[0]!.expertIds.length]).toEqual([0, 6, 10])
    for (const weights of prompt!.layers[0]!.weights) expect(weights[0]! + weights[1]!).toBeCloseTo(1, 5)
  })
})

describe("completions", () => {
  test("continue texts and token ids, several at once, with echo", async () => {
    const prompt = "<|im_start|>user\nHello!<|im_end|>\n<|im_start|>assistant\n"
    const answer = await client.completions.create({
      model: "default",
      prompt: [prompt, prompt],
      temperature: 0,
      echo: true,
    })
    expect(answer.choices.map(({ text }) => text.endsWith("Hello! How can I help you today?"))).toEqual([true, true])
    expect(answer.choices[0]!.text.startsWith("<|im_start|>user")).toBe(true)
    expect(answer.usage?.prompt_tokens).toBe(20)
    const ids = await client.completions.create({
      model: "default",
      prompt: [4088, 282, 198, 659, 0, 4089, 198, 4088, 283, 198],
      temperature: 0,
    })
    expect(ids.choices[0]!.text).toBe("Hello! How can I help you today?")
    const streamed = await client.completions.create({ model: "default", prompt, temperature: 0, stream: true })
    let text = ""
    for await (const chunk of streamed) text += chunk.choices[0]?.text ?? ""
    expect(text).toBe("Hello! How can I help you today?")
  })
})

describe("service", () => {
  test("a client that leaves frees its slot", async () => {
    const leave = async (): Promise<void> => {
      const aborting = new AbortController()
      const stream = await client.chat.completions.create(
        {
          model: "default",
          messages: [{ role: "user", content: "Tell me a story" }],
          stream: true,
          logit_bias: { "4089": -100, "4087": -100 },
        },
        { signal: aborting.signal },
      )
      for await (const _ of stream) {
        aborting.abort()
        break
      }
    }
    // Twice as many as there are slots, of answers that would fill the context.
    await Promise.all(Array.from({ length: 8 }, leave))
    const started = performance.now()
    expect((await ask("Hello!")).choices[0]!.message.content).toBe("Hello! How can I help you today?")
    expect(performance.now() - started).toBeLessThan(2000)
  })

  test("the engine killed in mid-stream: the stream goes on, its text identical", async () => {
    const question = "I lost my credit card, what should I do?"
    const undisturbed = (await ask(question)).choices[0]!.message.content
    const stream = await client.chat.completions.create({
      model: "default",
      messages: [{ role: "user", content: question }],
      temperature: 0,
      stream: true,
    })
    let text = ""
    let killed = false
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? ""
      if (killed || text.length < 20) continue
      killed = true
      Bun.spawnSync(["pkill", "-KILL", "-P", String(service.pid), "-f", "engine/main.ts"])
    }
    expect([killed, text]).toEqual([true, undisturbed!])
  })

  test("metrics are in Prometheus' format and count", async () => {
    await ask("Hello!")
    await errorOf(ask("Hello!", { max_tokens: 0 }))
    const text = await (await fetch(`${service.url}/metrics`, { headers: { authorization: `Bearer ${KEY}` } })).text()
    expect(text).toMatch(/^consilium_generation_tokens_total [1-9]/m)
    expect(text).toMatch(/^consilium_time_to_first_token_seconds_bucket\{le="0\.1"\} \d/m)
    expect(text).toMatch(/^consilium_inter_token_latency_seconds_count [1-9]\d/m)
    expect(text).toMatch(/^consilium_request_time_per_output_token_seconds_count [1-9]/m)
    expect(text).toMatch(/^consilium_prefix_cache_hits_total [1-9]/m)
    expect(text).toMatch(/^consilium_process_cpu_seconds_total \d+\.\d/m)
    expect(text).toMatch(/^consilium_http_requests_total\{route="\/v1\/chat\/completions",status="400"\} [1-9]/m)
  })
})

describe("stopping", () => {
  test("SIGTERM: what runs is finished, the process ends with 0 and leaves no engine", async () => {
    const other = await startService(["--max-streams", "2"])
    const talker = new OpenAI({ baseURL: `${other.url}/v1`, apiKey: "none", maxRetries: 0 })
    const stream = await talker.chat.completions.create({
      model: "default",
      messages: [{ role: "user", content: "Hello!" }],
      temperature: 0,
      stream: true,
    })
    let text = ""
    let ended: Promise<number> | undefined
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? ""
      ended ??= other.stop()
    }
    expect(text).toBe("Hello! How can I help you today?")
    expect(await ended).toBe(0)
    expect(Bun.spawnSync(["pgrep", "-P", String(other.pid)]).stdout.toString()).toBe("")
    await other.close()
  }, 60_000)
})
