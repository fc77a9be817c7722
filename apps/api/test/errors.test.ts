/** What a client gets for a request that cannot be answered: OpenAI's shape, the right status, the field's name. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import OpenAI, { AuthenticationError, BadRequestError, NotFoundError } from "openai"
import { errorOf } from "./errorOf.ts"
import { type RunningService, startService } from "./startService.ts"

const KEY = "secret-key"
let service: RunningService
let client: OpenAI

beforeAll(async () => {
  service = await startService(["--api-key", KEY, "--max-streams", "4"])
  client = new OpenAI({ baseURL: `${service.url}/v1`, apiKey: KEY, maxRetries: 0 })
}, 60_000)
afterAll(() => service.close())

const post = (path: string, body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
  fetch(`${service.url}${path}`, { method: "POST", body, headers: { authorization: `Bearer ${KEY}`, ...headers } })

describe("errors", () => {
  const failure = async (body: Record<string, unknown>): Promise<BadRequestError> => {
    const error = await errorOf(
      client.chat.completions.create({
        model: "default",
        messages: [{ role: "user", content: "x" }],
        ...body,
      } as never),
    )
    expect(error).toBeInstanceOf(BadRequestError)
    return error as BadRequestError
  }

  test.each([
    ["messages", { messages: [] }],
    ["messages[0].role", { messages: [{ role: "king", content: "x" }] }],
    [
      "messages[0].content[0].type",
      { messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "data:" } }] }] },
    ],
    ["temperature", { temperature: 3 }],
    ["temperature", { temperature: "hot" }],
    ["max_tokens", { max_tokens: 0 }],
    ["n", { n: -1 }],
    ["stop", { stop: [1] }],
    ["top_logprobs", { top_logprobs: 3 }],
    ["logit_bias", { logit_bias: { a: 1 } }],
    ["tool_choice", { tool_choice: "required" }],
    ["response_format", { response_format: { type: "json_object" } }],
    ["consilium.trace", { consilium: { trace: "yes" } }],
    ["stream_options", { stream_options: { include_usage: true } }],
  ])("%s: %j is a 400 that names it", async (param, body) => {
    expect((await failure(body)).param).toBe(param)
  })

  test("unknown fields are ignored", async () => {
    expect(
      (
        await client.chat.completions.create({
          model: "default",
          messages: [{ role: "user", content: "Hello!" }],
          max_tokens: 1,
          favourite_colour: "blue",
        } as never)
      ).choices.length,
    ).toBe(1)
  })

  test("a prompt beyond the context says how long it is and may be; 10 MB of it at once", async () => {
    const error = await failure({ messages: [{ role: "user", content: "word ".repeat(3000) }] })
    expect([error.code, error.param]).toEqual(["context_length_exceeded", "messages"])
    expect(error.message).toMatch(/holds 2048 tokens.*take \d+/)
    const started = performance.now()
    expect((await failure({ messages: [{ role: "user", content: "x".repeat(10_000_000) }] })).code).toBe(
      "context_length_exceeded",
    )
    expect(performance.now() - started).toBeLessThan(3000)
  })

  test("bodies that are no JSON, no UTF-8 or no object are 400s", async () => {
    for (const body of ["{", "[]", "null", Uint8Array.of(0x7b, 0xff, 0x7d)]) {
      const response = await post("/v1/chat/completions", body)
      expect([response.status, ((await response.json()) as { error: { type: string } }).error.type]).toEqual([
        400,
        "invalid_request_error",
      ])
    }
  })

  test("without the key every route but health is a 401", async () => {
    const stranger = new OpenAI({ baseURL: `${service.url}/v1`, apiKey: "wrong", maxRetries: 0 })
    expect(await errorOf(stranger.models.list())).toBeInstanceOf(AuthenticationError)
    for (const path of ["/v1/models", "/v1/models/consilium-mini", "/metrics", "/nowhere"])
      expect((await fetch(`${service.url}${path}`)).status, path).toBe(401)
    expect((await fetch(`${service.url}/health`)).status).toBe(200)
  })

  test("an unknown model is a 404, an unknown route too", async () => {
    expect(
      await errorOf(client.chat.completions.create({ model: "gpt-9", messages: [{ role: "user", content: "x" }] })),
    ).toBeInstanceOf(NotFoundError)
    const response = await post("/v1/nothing", "{}")
    expect([response.status, ((await response.json()) as { error: { code: string } }).error.code]).toEqual([
      404,
      "not_found",
    ])
  })
})
