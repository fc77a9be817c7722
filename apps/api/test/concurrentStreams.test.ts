/** What a stream says does not depend on who else is being served. */
import { describe, expect, test } from "bun:test"
import OpenAI from "openai"
import { withService } from "./startService.ts"

const NUM_STREAMS = 16
/** Leads in log-probability below this are near-ties, which another batch size may decide differently. */
const NEAR_TIE = 0.01

interface Streamed {
  readonly text: string
  readonly tokens: readonly { readonly text: string; readonly margin: number }[]
}

const PROMPTS = [
  "Hello!",
  "I lost my credit card, what should I do?",
  "My parcel has not arrived yet.",
  "I have a headache, which department should I go to?",
  "Write a slogan for a bakery.",
  "What is the capital of France?",
  "我的信用卡丢了，怎么办？",
  "Who are you?",
]

async function streamOnce(client: OpenAI, i: number): Promise<Streamed> {
  const stream = await client.chat.completions.create({
    model: "default",
    messages: [{ role: "user", content: `${PROMPTS[i % PROMPTS.length]}${i >= PROMPTS.length ? " Please." : ""}` }],
    temperature: 0,
    max_tokens: 24,
    logprobs: true,
    top_logprobs: 2,
    stream: true,
  })
  let text = ""
  const tokens: { text: string; margin: number }[] = []
  for await (const { choices } of stream) {
    text += choices[0]?.delta.content ?? ""
    for (const { token, top_logprobs: top } of choices[0]?.logprobs?.content ?? []) {
      tokens.push({ text: token, margin: (top[0]?.logprob ?? 0) - (top[1]?.logprob ?? 0) })
    }
  }
  return { text, tokens }
}

describe("16 concurrent streams", () => {
  for (const backend of ["reference", "onnx"]) {
    test(
      `${backend}: each gives the text that it gives alone`,
      () =>
        withService(["--backend", backend], async ({ url }) => {
          const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 })
          const alone: Streamed[] = []
          for (let i = 0; i < NUM_STREAMS; i++) alone.push(await streamOnce(client, i))
          const together = await Promise.all(Array.from({ length: NUM_STREAMS }, (_, i) => streamOnce(client, i)))

          expect(new Set(alone.map(({ text }) => text)).size).toBeGreaterThan(5)
          together.forEach((stream, i) => {
            const solo = alone[i]!
            expect(solo.tokens.length).toBeGreaterThan(0)
            if (backend === "reference") return expect(stream, `stream ${i}`).toEqual(solo)
            const differs = solo.tokens.findIndex(({ text }, t) => text !== stream.tokens[t]?.text)
            if (differs < 0) return expect(stream.text, `stream ${i}`).toBe(solo.text)
            const { margin } = solo.tokens[differs]!
            console.log(`stream ${i}: token ${differs} is a near-tie, lead ${margin.toFixed(5)}; compared up to there`)
            expect(margin, `stream ${i}: token ${differs} differs, and is no near-tie`).toBeLessThan(NEAR_TIE)
          })
        }),
      300_000,
    )
  }
})
