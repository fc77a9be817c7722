import { loadModelConfig } from "@consilium/model"
import { f16ToF32 } from "@consilium/tensor"
import { gguf } from "@huggingface/gguf"
import { afterAll, describe, expect, test } from "bun:test"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseShape } from "./parseShape.ts"
import { writeConfig } from "./writeCheckpoint.ts"
import { ggufBytes, ggufObstacle, writeGguf } from "./writeGguf.ts"

const F32 = 0
const Q4_0 = 2
const Q4_0_BLOCK = { length: 32, bytes: 18 }

const workDir = mkdtempSync(join(tmpdir(), "consilium-gguf-"))
afterAll(() => rmSync(workDir, { recursive: true, force: true }))

/** Writes a shape's GGUF file once; returns its path and config. */
async function generate(text: string) {
  const dir = join(workDir, text)
  const path = join(workDir, `${text}.gguf`)
  if (!existsSync(path)) {
    writeConfig(dir, parseShape(text))
    await writeGguf(path, dir, { skew: "uniform", seed: 1 })
  }
  return { path, config: loadModelConfig(dir).config }
}

/** Reads a file by a parser that is not ours; tensors by name, with where their bytes begin and end. */
async function parse(path: string) {
  const { metadata, tensorInfos, tensorDataOffset } = await gguf(path, { allowLocalFile: true })
  const tensors = tensorInfos.map(({ name, shape, dtype, offset }) => {
    const length = shape.reduce((product, size) => product * Number(size), 1)
    const bytes = dtype === Q4_0 ? (length / Q4_0_BLOCK.length) * Q4_0_BLOCK.bytes : length * 4
    const begin = Number(tensorDataOffset + offset)
    return { name, shape: shape.map(Number), dtype: dtype as number, begin, end: begin + bytes }
  })
  return {
    metadata: metadata as Record<string, unknown>,
    tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])),
  }
}

describe.each([
  ["tiny-qwen3", "qwen3moe", 64],
  ["tiny-olmoe", "olmoe", 128],
] as const)("writeGguf: %s", (text, architecture, kNormLength) => {
  test("another parser reads its metadata as we meant it", async () => {
    const { path } = await generate(text)
    const { metadata } = await parse(path)
    expect(metadata).toMatchObject({
      version: 3,
      "general.architecture": architecture,
      "general.file_type": 2,
      [`${architecture}.block_count`]: 2,
      [`${architecture}.embedding_length`]: 128,
      [`${architecture}.expert_count`]: 16,
      [`${architecture}.expert_used_count`]: 4,
      [`${architecture}.attention.head_count`]: 4,
      "tokenizer.ggml.model": "gpt2",
    })
    expect(metadata[`${architecture}.attention.layer_norm_rms_epsilon`]).toBeCloseTo(1e-6, 9)
    const tokens = metadata["tokenizer.ggml.tokens"] as string[]
    expect([tokens.length, new Set(tokens).size]).toEqual([1024, 1024])
  })

  test("tensors have llama.cpp's names, order of sizes and types, and fill the file without overlap", async () => {
    const { path, config } = await generate(text)
    const { tensors } = await parse(path)
    expect(tensors.get("blk.1.ffn_down_exps.weight")).toMatchObject({ shape: [64, 128, 16], dtype: Q4_0 })
    expect(tensors.get("blk.0.ffn_gate_inp.weight")).toMatchObject({ shape: [128, 16], dtype: F32 })
    expect(tensors.get("blk.0.attn_k_norm.weight")).toMatchObject({ shape: [kNormLength], dtype: F32 })
    expect(tensors.get("output.weight")).toMatchObject({ shape: [128, 1024], dtype: Q4_0 })

    const sorted = [...tensors.values()].sort((a, b) => a.begin - b.begin)
    for (const [i, { begin, end }] of sorted.entries()) {
      expect(begin % 32).toBe(0)
      const next = sorted[i + 1]?.begin ?? readFileSync(path).length
      expect(next - end).toBeGreaterThanOrEqual(0)
      expect(next - end).toBeLessThan(32)
    }
    expect(sorted.reduce((sum, { begin, end }) => sum + end - begin, 0)).toBe(ggufBytes(config))
  })

  test("4-bit weights have no bias, and the deviation of their kind", async () => {
    const { path } = await generate(text)
    const { tensors } = await parse(path)
    const { begin, end } = tensors.get("blk.1.ffn_up_exps.weight")!
    const weights = dequantize(readFileSync(path).subarray(begin, end))
    const mean = weights.reduce((sum, weight) => sum + weight, 0) / weights.length
    const sigma = Math.sqrt(weights.reduce((sum, weight) => sum + weight * weight, 0) / weights.length)
    expect(sigma * Math.sqrt(128)).toBeCloseTo(1, 1)
    expect(Math.abs(mean) / sigma).toBeLessThan(6 / Math.sqrt(weights.length))
    expect(Math.max(...weights) + Math.min(...weights)).toBe(0)
  })
})

test("writeGguf: a family that llama.cpp has no such tensors for is told", () => {
  const { config } = loadModelConfig(join(import.meta.dir, "../../../models/consilium-mini"))
  expect(ggufObstacle(config)).toContain("no GGUF is made for Qwen2-MoE")
})

test("writeGguf: rows that are no whole blocks are told by name", async () => {
  const dir = join(workDir, "odd")
  writeConfig(dir, parseShape("tiny-qwen3,hidden_size=144"))
  const written = writeGguf(join(workDir, "odd.gguf"), dir, { skew: "uniform", seed: 1 })
  await expect(written).rejects.toThrow("expected rows of a multiple of 32 for Q4_0, found 144")
})

/** Reads Q4_0 as ggml does: value j of a block is byte j's low nibble, value j + 16 its high one, each less 8. */
function dequantize(bytes: Uint8Array): Float32Array {
  const numBlocks = bytes.length / Q4_0_BLOCK.bytes
  const weights = new Float32Array(numBlocks * Q4_0_BLOCK.length)
  const scale = new Float32Array(1)
  for (let block = 0; block < numBlocks; block++) {
    const at = block * Q4_0_BLOCK.bytes
    f16ToF32(scale, Uint16Array.of(bytes[at]! | (bytes[at + 1]! << 8)))
    for (let j = 0; j < 16; j++) {
      weights[block * 32 + j] = scale[0]! * ((bytes[at + 2 + j]! & 15) - 8)
      weights[block * 32 + j + 16] = scale[0]! * ((bytes[at + 2 + j]! >> 4) - 8)
    }
  }
  return weights
}
