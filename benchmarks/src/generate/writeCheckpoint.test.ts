import { createArena, type Format } from "@consilium/kernels"
import {
  computeLogits,
  type DenseFormat,
  encodeChat,
  loadChatTemplate,
  loadTokenizer,
  modelFormats,
  type NamedTensor,
  openCheckpoint,
  openPreparedModel,
  prepareModel,
} from "@consilium/model"
import { afterAll, describe, expect, test } from "bun:test"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createBackend } from "../createBackend.ts"
import { tokenId } from "../engines/TimedEngine.ts"
import { parseShape } from "./parseShape.ts"
import type { Skew } from "./routerRowScales.ts"
import { planBytes, writeCheckpoint, writeConfig } from "./writeCheckpoint.ts"

const NUM_TOKENS = 256
const SHAPES = ["tiny-qwen3", "tiny-olmoe"]

const workDir = mkdtempSync(join(tmpdir(), "consilium-generate-"))
afterAll(() => rmSync(workDir, { recursive: true, force: true }))

async function generate(text: string, { skew = "uniform" as Skew, seed = 1 } = {}): Promise<string> {
  const dir = join(workDir, `${text}-${skew}-${seed}`)
  if (!existsSync(dir)) await writeCheckpoint(dir, parseShape(text), { skew, seed })
  return dir
}

/** Everything that a generated model computes for a prompt of 256 ids. */
async function compute(text: string, skew: Skew): Promise<ReadonlyMap<string, NamedTensor["values"]>> {
  const sourceDir = await generate(text, { skew })
  const cacheDir = join(workDir, "prepared")
  const dir = await prepareModel({ sourceDir, format: "int8", cacheDir, onProgress: () => {} })
  const prepared = openPreparedModel(dir, sourceDir)
  const arena = createArena()
  const backend = createBackend("onnx", arena, 1)
  try {
    const { vocabSize } = prepared.config
    const ids = Array.from({ length: NUM_TOKENS }, (_, i) => tokenId(0, i, vocabSize))
    return new Map(computeLogits(prepared, backend, [ids]).map(({ name, values }) => [name, values]))
  } finally {
    backend.close()
    arena.close()
    prepared.close()
  }
}

function countTokens(expertIds: NamedTensor["values"], numExperts = 16): number[] {
  const counts = Array.from({ length: numExperts }, () => 0)
  for (const id of expertIds) counts[id]!++
  return counts
}

describe.each(SHAPES)("writeCheckpoint: %s", (text) => {
  test("our model reads it, and its logits are finite and differ from token to token", async () => {
    const logits = Float32Array.from((await compute(text, "uniform")).get("p0.logits")!)
    expect(logits.every(Number.isFinite)).toBe(true)
    const best = Array.from({ length: NUM_TOKENS }, (_, t) => {
      const row = logits.subarray(t * 1024, (t + 1) * 1024)
      return row.indexOf(Math.max(...row))
    })
    expect(new Set(best).size).toBeGreaterThan(NUM_TOKENS / 4)
  })

  test("uniform: tokens spread over all experts, in the last layer as in the first", async () => {
    const tensors = await compute(text, "uniform")
    for (const layer of [0, 1]) {
      const counts = countTokens(tensors.get(`p0.layer${layer}.expert_ids`)!)
      const mean = (NUM_TOKENS * 4) / 16
      expect(Math.max(...counts)).toBeLessThan(1.8 * mean)
      expect(Math.min(...counts)).toBeGreaterThan(0.4 * mean)
    }
  })

  test("zipf: a few experts get most tokens", async () => {
    const tensors = await compute(`${text},num_experts=64`, "zipf")
    for (const layer of [0, 1]) {
      const counts = countTokens(tensors.get(`p0.layer${layer}.expert_ids`)!, 64).sort((a, b) => b - a)
      const mean = (NUM_TOKENS * 4) / 64
      expect(counts[0]!).toBeGreaterThan(4 * mean)
      expect(counts[32]!).toBeLessThan(mean)
    }
  })

  test("weights have no bias, the deviation of their kind, and rows that differ", async () => {
    const checkpoint = openCheckpoint(await generate(text))
    try {
      const columnsOf = { "model.embed_tokens.weight": 1, "model.layers.1.self_attn.q_proj.weight": 128 }
      for (const [name, columns] of Object.entries(columnsOf)) {
        const shape = checkpoint.shape(name)
        const weights = checkpoint.readTensor(name, shape)
        const mean = weights.reduce((sum, weight) => sum + weight, 0) / weights.length
        const sigma = Math.sqrt(weights.reduce((sum, weight) => sum + weight * weight, 0) / weights.length)
        expect(sigma * Math.sqrt(columns)).toBeCloseTo(1, 1)
        expect(Math.abs(mean) / sigma).toBeLessThan(6 / Math.sqrt(weights.length))
        const rows = Array.from({ length: shape[0]! }, (_, r) => weights.subarray(r * 128, r * 128 + 4).join())
        expect(new Set(rows).size).toBe(rows.length)
      }
      expect([...checkpoint.readTensor("model.norm.weight", [128])]).toEqual(Array.from({ length: 128 }, () => 1))
    } finally {
      checkpoint.close()
    }
  })
})

test("writeCheckpoint: the same seed gives the same bytes, another does not", async () => {
  const bytesOf = (dir: string): Buffer => readFileSync(join(dir, "model.safetensors"))
  const again = join(workDir, "again")
  await writeCheckpoint(again, parseShape("tiny-olmoe"), { skew: "uniform", seed: 1 })
  const first = bytesOf(await generate("tiny-olmoe"))
  expect(bytesOf(again).equals(first)).toBe(true)
  expect(bytesOf(await generate("tiny-olmoe", { seed: 2 })).equals(first)).toBe(false)
})

test("writeCheckpoint: what it takes is known before it is written", async () => {
  const dir = join(workDir, "config-only")
  writeConfig(dir, parseShape("tiny-qwen3"))
  const { checkpoint } = planBytes(dir, modelFormats("int8"))
  const sourceDir = await generate("tiny-qwen3")
  const fileBytes = statSync(join(sourceDir, "model.safetensors")).size
  expect(fileBytes - checkpoint).toBeGreaterThan(0)
  // The header alone.
  expect(fileBytes - checkpoint).toBeLessThan(32_768)
  const bytesOf = (format: Format, dense?: DenseFormat): number => planBytes(dir, modelFormats(format, dense)).prepared
  expect(bytesOf("int4", "int4")).toBeLessThan(bytesOf("int4"))
  expect(bytesOf("int4")).toBeLessThan(bytesOf("int8"))
  expect(bytesOf("f32")).toBeGreaterThan(2 * checkpoint)
})

test("writeCheckpoint: the service finds a tokenizer and a template that give each id a text", async () => {
  const dir = await generate("tiny-qwen3")
  const tokenizer = loadTokenizer(dir)
  const text = "Grüße, 世界!\n 12 <|im_end|>"
  const ids = tokenizer.encode(text)
  expect(Buffer.concat(ids.map((id) => tokenizer.tokenBytes(id))).toString()).toBe(text)
  expect(ids.at(-1)).toBe(258)
  for (const id of [0, 255, 256, 300, 1023]) expect(tokenizer.tokenBytes(id).length).toBeGreaterThan(0)
  const chat = encodeChat(tokenizer, loadChatTemplate(dir)!, { messages: [{ role: "user", content: "hi" }], tools: [] })
  expect(Buffer.concat(chat.map((id) => tokenizer.tokenBytes(id))).toString()).toBe(
    "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n",
  )
})

test("writeCheckpoint: an abort while it writes leaves no weights", async () => {
  const dir = join(workDir, "aborted")
  const stop = new AbortController()
  const written = writeCheckpoint(dir, parseShape("tiny-qwen3"), {
    skew: "uniform",
    seed: 1,
    signal: stop.signal,
    onProgress: (doneBytes) => doneBytes > 1_000_000 && stop.abort(new Error("enough")),
  })
  await expect(written).rejects.toThrow("enough")
  expect(readdirSync(dir)).toEqual(["config.json"])
})
