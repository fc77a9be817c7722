import { describe, expect, test } from "bun:test"
import { miniModelDir, readFixtureJson, sharedPath } from "@consilium/testing"
import fc from "fast-check"
import { join } from "node:path"
import {
  createDetokenizer,
  decodeIds,
  encodeChat,
  loadChatTemplate,
  loadTokenizer,
  type TemplateMessage,
} from "./index.ts"

interface Cases {
  readonly cases: { readonly text: string; readonly ids: number[]; readonly decoded?: string }[]
  readonly streams: { readonly ids: number[]; readonly deltas: string[]; readonly flush: string }[]
  readonly truncatedStreams: Cases["streams"]
}
interface Conversation {
  readonly name: string
  readonly messages: TemplateMessage[]
  readonly tools: unknown[] | null
  readonly prompt: string
  readonly prompt_ids: number[]
  readonly output_text: string
  readonly output_ids: number[]
}

const smollm2 = sharedPath("models/smollm2-135m")

describe.skipIf(smollm2 === undefined)("SmolLM2's tokenizer", () => {
  const tokenizer = loadTokenizer(smollm2!)
  const { cases, streams, truncatedStreams } = readFixtureJson<Cases>(join(smollm2!, "tokenizer-cases.json"))

  test(`${cases.length} texts give the reference's ids, Unicode digits too`, () => {
    for (const { text, ids } of cases) expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(ids)
  })

  test(`${streams.length + truncatedStreams.length} streams never show half a character`, () => {
    for (const { ids, deltas, flush } of [...streams, ...truncatedStreams]) {
      const detokenizer = createDetokenizer(tokenizer)
      expect(ids.map((id) => detokenizer.push(id))).toEqual(deltas)
      expect(detokenizer.flush()).toBe(flush)
    }
  })

  test("chat templates render and encode as the reference does", () => {
    const { chat } = readFixtureJson<{
      chat: { messages: TemplateMessage[]; rendered: string; ids: number[]; addGenerationPrompt: boolean }[]
    }>(join(smollm2!, "expected.json"))
    const template = loadChatTemplate(smollm2!)!
    for (const { messages, rendered, ids, addGenerationPrompt } of chat) {
      const ours = template.render(messages, [])
      // We always ask for an answer: a case without that ends sooner.
      expect(addGenerationPrompt ? ours : ours.slice(0, rendered.length)).toBe(rendered)
      expect(tokenizer.encode(rendered)).toEqual(ids)
    }
  })
})

describe("the embedded model's text", () => {
  const tokenizer = loadTokenizer(miniModelDir())
  const template = loadChatTemplate(miniModelDir())!
  const { conversations } = readFixtureJson<{ conversations: Conversation[] }>(join(miniModelDir(), "expected.json"))

  test("conversations, with tools too, give the reference's prompts and ids", () => {
    expect(template.hasTools).toBe(true)
    for (const { name, messages, tools, prompt, prompt_ids } of conversations) {
      expect(template.render(messages, tools ?? []), name).toBe(prompt)
      expect(encodeChat(tokenizer, template, { messages, tools: tools ?? [] }), name).toEqual(prompt_ids)
    }
  })

  test("answers decode to the reference's texts", () => {
    for (const { name, output_ids, output_text } of conversations)
      expect(decodeIds(tokenizer, output_ids).trim(), name).toBe(output_text.trim())
  })

  test("any text comes back from its tokens, whatever the language", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 40 }), (text) => {
        // The tokenizer composes characters first.
        const composed = text.normalize("NFC")
        fc.pre(!tokenizer.specialTexts.some((special) => composed.includes(special)))
        expect(decodeIds(tokenizer, tokenizer.encode(text))).toBe(composed)
      }),
    )
  })
})
