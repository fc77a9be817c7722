import { expect, test } from "bun:test"
import { chatChunks } from "./chatResponse.ts"
import { completionChunks } from "./completionResponse.ts"
import { textFrame } from "./textFrame.ts"

const TEXTS = [
  "hello",
  "",
  " \n\t",
  '"quoted" \\ back',
  "我的卡",
  "🙂",
  "\u0000",
  "\u2028",
  "\ud83d",
  "$& $1 $`",
  "data: [DONE]",
]

test("textFrame: gives what the whole chunk would give, for any text", () => {
  const chunkOf = (text: string) => ({ id: "x", choices: [{ delta: { content: text } }], usage: null })
  const frame = textFrame(chunkOf)
  for (const text of TEXTS) expect(frame(text)).toBe(`data: ${JSON.stringify(chunkOf(text))}\n\n`)
})

test("streamed text is OpenAI's chunk, in chat with the role before it", () => {
  const head = { id: 'id-"1"', created: 5, model: "org/a\\b" }
  const chat = chatChunks(head, true, () => ({}) as never)
  const completion = completionChunks(head, false, 1, () => ({}) as never)
  const parse = (sse: string) =>
    sse
      .split("\n\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line.slice("data: ".length)) as unknown)
  const rest = { logprobs: null, finish_reason: null }
  for (const text of TEXTS) {
    const chunks = parse(chat.push({ type: "text", choice: 1, text, logProbs: [] }))
    const chunk = (delta: object) => ({
      ...head,
      object: "chat.completion.chunk",
      choices: [{ index: 1, delta, ...rest }],
      usage: null,
    })
    const role = text === TEXTS[0] ? [chunk({ role: "assistant", content: "" })] : []
    expect(chunks).toEqual([...role, chunk({ content: text })])
    expect(parse(completion.push({ type: "text", choice: 2, text, logProbs: [] }))).toEqual([
      { ...head, object: "text_completion", choices: [{ index: 2, text, ...rest }] },
    ])
  }
})
