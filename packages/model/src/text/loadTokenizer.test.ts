import { afterAll, describe, expect, test } from "bun:test"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createDetokenizer, decodeIds, loadTokenizer, type Tokenizer } from "./index.ts"

const root = mkdtempSync(join(tmpdir(), "consilium-tokenizer-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let numDirs = 0

function load(tokenizer: unknown): Tokenizer {
  const dir = join(root, String(numDirs++))
  mkdirSync(dir)
  writeFileSync(join(dir, "tokenizer.json"), typeof tokenizer === "string" ? tokenizer : JSON.stringify(tokenizer))
  return loadTokenizer(dir)
}

const words = ["<unk>", "<s>", "</s>", "<0xE2>", "<0x9C>", "<0x93>", "<0x0A>", "▁", "▁Hello", "▁world", "s", "▁▁"]
const vocab = Object.fromEntries(words.map((word, id) => [word, id]))
const idOf = (word: string): number => words.indexOf(word)
/** A tokenizer as Llama 2 and Mixtral have it: SentencePiece with bytes for what the vocabulary lacks. */
const sentencePiece = {
  version: "1.0",
  added_tokens: ["<unk>", "<s>", "</s>"].map((content, id) => ({
    id,
    content,
    special: true,
    lstrip: false,
    rstrip: false,
    normalized: false,
    single_word: false,
  })),
  normalizer: {
    type: "Sequence",
    normalizers: [
      { type: "Prepend", prepend: "▁" },
      { type: "Replace", pattern: { String: " " }, content: "▁" },
    ],
  },
  pre_tokenizer: null,
  post_processor: null,
  decoder: {
    type: "Sequence",
    decoders: [
      { type: "Replace", pattern: { String: "▁" }, content: " " },
      { type: "ByteFallback" },
      { type: "Fuse" },
      { type: "Strip", content: " ", start: 1, stop: 0 },
    ],
  },
  model: { type: "BPE", unk_token: "<unk>", byte_fallback: true, fuse_unk: true, vocab, merges: [] },
}
const ids = ["<s>", "▁Hello", "s", "▁world", "▁", "<0xE2>", "<0x9C>", "<0x93>", "<0x0A>", "▁▁", "</s>"].map(idOf)

describe("a SentencePiece tokenizer", () => {
  test("words part at spaces, the first one loses its own, bytes make characters", () => {
    const tokenizer = load(sentencePiece)
    const detokenizer = createDetokenizer(tokenizer)
    expect(ids.map((id) => detokenizer.push(id))).toEqual([
      "",
      "Hello",
      "s",
      " world",
      " ",
      "",
      "",
      "✓",
      "\n",
      "  ",
      "",
    ])
    expect(decodeIds(tokenizer, ids)).toBe("Hellos world ✓\n  ")
  })

  test("a text that goes on with another keeps its space", () => {
    const detokenizer = createDetokenizer(load(sentencePiece), { continues: true })
    expect(detokenizer.push(idOf("▁world"))).toBe(" world")
  })

  test("a half character at the end becomes U+FFFD", () => {
    const detokenizer = createDetokenizer(load(sentencePiece))
    expect([idOf("s"), idOf("<0xE2>"), idOf("<0x9C>")].map((id) => detokenizer.push(id)).join("")).toBe("s")
    expect(detokenizer.flush()).toBe("\uFFFD")
  })

  test("whether the first space goes is the decoder's to say", () => {
    const first = (decoder: unknown): string => decodeIds(load({ ...sentencePiece, decoder }), [idOf("▁world")])
    const metaspace = { type: "Metaspace", replacement: "▁", add_prefix_space: true }
    expect(first(metaspace)).toBe("world")
    expect(first({ ...metaspace, prepend_scheme: "first" })).toBe("world")
    expect(first({ ...metaspace, prepend_scheme: "never" })).toBe(" world")
    expect(first({ ...metaspace, add_prefix_space: false })).toBe(" world")
    const { decoders } = sentencePiece.decoder
    expect(first({ type: "Sequence", decoders: decoders.slice(0, 3) })).toBe(" world")
  })
})

describe("loadTokenizer", () => {
  test("names the file, and what is wrong with it", () => {
    const model = (change: object): unknown => ({ ...sentencePiece, model: { ...sentencePiece.model, ...change } })
    const damaged: [unknown, RegExp][] = [
      ["{", /tokenizer\.json/],
      ["[]", /tokenizer\.json/],
      [{}, /tokenizer\.json: expected a tokenizer that we read/],
      [model({ type: "Unheard" }), /tokenizer\.json: model\.type: expected BPE, Unigram or WordPiece, found "Unheard"/],
      [model({ vocab: null }), /tokenizer\.json: expected a tokenizer that we read/],
      [model({ vocab: { a: "x" } }), /tokenizer\.json: model\.vocab: "a": expected an id of 0 or more, found "x"/],
      [{ ...sentencePiece, added_tokens: [{ id: -0.5, content: "" }] }, /tokenizer\.json/],
    ]
    for (const [tokenizer, message] of damaged)
      expect(() => load(tokenizer), JSON.stringify(tokenizer)).toThrow(message)
    expect(() => loadTokenizer(join(root, "nowhere"))).toThrow(/nowhere.*tokenizer\.json/)
  })

  test("digits of every script part, alone or in runs as the tokenizer says", () => {
    const letters = [..."a1½٣²"]
    const digits = (individual: boolean): number[][] => {
      const tokens = [...letters, "1½", "½1"]
      const tokenizer = load({
        ...sentencePiece,
        added_tokens: [],
        normalizer: null,
        pre_tokenizer: { type: "Sequence", pretokenizers: [{ type: "Digits", individual_digits: individual }] },
        model: {
          type: "BPE",
          vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
          merges: ["1 ½"],
        },
      })
      return ["a1½", "½٣²"].map((text) => tokenizer.encode(text))
    }
    expect(digits(true)).toEqual([
      [0, 1, 2],
      [2, 3, 4],
    ])
    expect(digits(false)).toEqual([
      [0, 5],
      [2, 3, 4],
    ])
  })
})
