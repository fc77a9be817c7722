import { afterAll, describe, expect, test } from "bun:test"
import { fixturePath, readFixtureJson } from "@consilium/testing"
import fc from "fast-check"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { CheckpointError } from "../checkpoint/index.ts"
import type { ModelConfig } from "../ModelConfig.ts"
import { createRopeTable } from "./createRopeTable.ts"
import { loadModelConfig } from "./index.ts"

const dir = mkdtempSync(join(tmpdir(), "consilium-config-"))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

type Changes = Readonly<Record<string, unknown>>

/** Loads a fixture's config with some fields changed; `undefined` removes one. */
function load(fixture: string, changes: Changes, generation?: Changes): ModelConfig {
  const raw = readFixtureJson<Changes>(fixturePath("checkpoints", fixture, "config.legacy.json"))
  writeFileSync(join(dir, "config.json"), JSON.stringify({ ...raw, ...changes }))
  if (generation === undefined) rmSync(join(dir, "generation_config.json"), { force: true })
  else writeFileSync(join(dir, "generation_config.json"), JSON.stringify(generation))
  return loadModelConfig(dir).config
}

const REFUSED: readonly (readonly [fixture: string, changes: Changes, says: string])[] = [
  [
    "llama",
    { model_type: "mamba" },
    'model_type: expected a family that we read: qwen2_moe, qwen3_moe, mixtral, olmoe, llama, qwen3, found "mamba"',
  ],
  ["llama", { model_type: undefined }, "model_type: expected a string, found nothing"],
  ["llama", { hidden_act: "gelu" }, 'hidden_act: expected "silu", found "gelu"'],
  ["llama", { hidden_size: 0 }, "hidden_size: expected a whole number from 1 to 131072, found 0"],
  ["llama", { hidden_size: 1e9 }, "hidden_size: expected a whole number from 1 to 131072"],
  ["llama", { intermediate_size: 2.5 }, "intermediate_size: expected a whole number"],
  ["llama", { num_hidden_layers: 1e6 }, "num_hidden_layers: expected at most 1024 layers, found 1000000"],
  ["llama", { vocab_size: -1 }, "vocab_size: expected a whole number from 1 to 16777216, found -1"],
  ["llama", { vocab_size: "320" }, 'vocab_size: expected a whole number from 1 to 16777216, found "320"'],
  ["llama", { num_key_value_heads: 3 }, "num_key_value_heads: expected a divisor of num_attention_heads 4, found 3"],
  [
    "llama",
    { head_dim: null, num_attention_heads: 6, num_key_value_heads: 6 },
    "hidden_size: expected a multiple of num_attention_heads 6",
  ],
  ["llama", { head_dim: 15 }, "head_dim: expected an even number"],
  ["llama", { head_dim: 131072 }, "head_dim: expected at most 131072 for 4 heads together"],
  ["llama", { rms_norm_eps: 0 }, "rms_norm_eps: expected a number above 0, found 0"],
  ["llama", { tie_word_embeddings: 1 }, "tie_word_embeddings: expected true or false, found 1"],
  ["llama", { eos_token_id: -1 }, "eos_token_id: expected a whole number, or an array of them, found -1"],
  ["llama", { rope_theta: -5, rope_scaling: null }, "rope_theta: expected a number above 0, found -5"],
  ["llama", { partial_rotary_factor: 1.5 }, "partial_rotary_factor: expected an even part of head_dim 16"],
  [
    "llama",
    { rope_scaling: { type: "dynamic", factor: 2 } },
    'rope_scaling.type: expected "default", "linear", "llama3" or "yarn", found "dynamic"',
  ],
  ["llama", { rope_scaling: { type: "linear", factor: 0 } }, "rope_scaling.factor: expected a number above 0, found 0"],
  [
    "llama",
    { rope_scaling: { rope_type: "llama3", factor: 8 } },
    "rope_scaling.low_freq_factor: expected a number, found nothing",
  ],
  ["llama", { rope_scaling: "linear" }, "rope_scaling: expected an object"],
  ["mixtral", { num_experts_per_tok: 9 }, "num_experts_per_tok: expected at most num_local_experts 8, found 9"],
  ["mixtral", { num_local_experts: 5000 }, "num_local_experts: expected at most 1024 experts"],
  ["mixtral", { sliding_window: -4 }, "sliding_window: expected a whole number"],
  ["olmoe", { clip_qkv: 8 }, "clip_qkv: expected null: clipping q, k and v is not supported, found 8"],
  ["qwen2_moe", { mlp_only_layers: "all" }, "mlp_only_layers: expected an array of whole numbers"],
  ["qwen2_moe", { decoder_sparse_step: 0 }, "decoder_sparse_step: expected a whole number"],
]

describe("loadModelConfig", () => {
  test.each(REFUSED)("%s with %j is refused, naming the field", (fixture, changes, says) => {
    expect(() => load(fixture, changes)).toThrow(`config.json: ${says}`)
  })

  test("whatever a field holds, the answer is a config or an error of ours", () => {
    const fields = Object.keys(readFixtureJson<Changes>(fixturePath("checkpoints/qwen2_moe/config.legacy.json")))
    fc.assert(
      fc.property(fc.constantFrom(...fields), fc.jsonValue({ maxDepth: 2 }), (field, value) => {
        try {
          load("qwen2_moe", { [field]: value })
        } catch (error) {
          expect(error).toBeInstanceOf(CheckpointError)
        }
      }),
      { numRuns: 300 },
    )
  })

  test("a file that is no JSON, or missing, is told by name", () => {
    writeFileSync(join(dir, "config.json"), "model_type: llama")
    expect(() => loadModelConfig(dir)).toThrow('config.json: expected a JSON object, found "model_type: llama"')
    expect(() => loadModelConfig(join(dir, "nowhere"))).toThrow("config.json: expected a readable file, found ENOENT")
  })

  test("end-of-sequence ids: one or several, generation_config.json first", () => {
    expect(load("llama", { eos_token_id: 5 }).eosIds).toEqual([5])
    expect(load("llama", { eos_token_id: [5, 6] }, { bos_token_id: 1 }).eosIds).toEqual([5, 6])
    expect(load("llama", { eos_token_id: 5 }, { eos_token_id: [7, 8] }).eosIds).toEqual([7, 8])
    expect(load("llama", { eos_token_id: null }).eosIds).toEqual([])
  })

  test("qwen2_moe: biases on q, k, v only, a gated shared expert, and a dense layer where it says so", () => {
    const { layers } = load("qwen2_moe", {})
    expect(layers.map(({ feedForward }) => feedForward.kind)).toEqual(["moe", "moe", "dense", "moe"])
    expect([layers[0]!.attention.hasQkvBias, layers[0]!.attention.hasOutBias]).toEqual([true, false])
    expect(layers[0]!.feedForward).toMatchObject({
      numExperts: 12,
      topK: 4,
      expertIntermediateSize: 40,
      router: { score: "softmax", normalizesWeights: false },
      sharedExpert: { intermediateSize: 72, hasGate: true },
    })
    expect(layers[2]!.feedForward).toMatchObject({ intermediateSize: 112 })
  })

  test("a window counts only where the family uses it", () => {
    const windows = (fixture: string, changes: Changes): number[] =>
      load(fixture, changes).layers.map(({ attention }) => attention.slidingWindow)
    expect(windows("qwen3", { sliding_window: 9 })).toEqual([Infinity, Infinity, Infinity])
    expect(windows("qwen3", { sliding_window: 9, use_sliding_window: true, max_window_layers: 1 })).toEqual([
      Infinity,
      9,
      9,
    ])
    const layer_types = ["sliding_attention", "full_attention", "full_attention"]
    expect(windows("qwen3", { sliding_window: 9, use_sliding_window: true, layer_types })).toEqual([
      9,
      Infinity,
      Infinity,
    ])
    expect(windows("mixtral-window", {})).toEqual([16, 16, 16, 16])
  })
})

describe("rope scaling", () => {
  /** Angles of position 1, and the length of (cos, sin). Golden: the formulae of transformers' modeling_rope_utils.py, in float64. */
  function measure(changes: Changes): { angles: number[]; length: number } {
    const { rope } = load("llama", changes).layers[0]!.attention
    const { cos, sin, rotaryDim } = createRopeTable(rope, 2)
    const half = rotaryDim / 2
    const angles = Array.from({ length: half }, (_, i) => Math.atan2(sin[half + i]!, cos[half + i]!))
    return { angles, length: Math.hypot(cos[half]!, sin[half]!) }
  }
  function expectAngles(found: readonly number[], golden: readonly number[]): void {
    found.forEach((angle, i) => expect(angle / golden[i]!).toBeCloseTo(1, 5))
    expect(found.length).toBe(golden.length)
  }

  test("yarn, as Qwen extends its context", () => {
    const yarn = { type: "yarn", factor: 4, original_max_position_embeddings: 32768 }
    const { angles, length } = measure({ rope_theta: 1e6, rope_scaling: yarn })
    const golden = [1, 0.17782794100389226, 0.03162277660168379, 0.004217559938927618]
    expectAngles(angles, [...golden, 0.0005, 4.445698525097307e-5, 7.905694150420949e-6, 1.4058533129758728e-6])
    expect(length).toBeCloseTo(1.138629436111989, 6)
    const ratio = { ...yarn, mscale: 0.75, mscale_all_dim: 0.75 }
    expect(measure({ rope_theta: 1e6, rope_scaling: ratio }).length).toBeCloseTo(1, 6)
    expect(measure({ rope_theta: 1e6, rope_scaling: { ...yarn, attention_factor: 0.5 } }).length).toBeCloseTo(0.5, 6)
  })

  test("llama3 leaves fast pairs, divides slow ones, and blends between", () => {
    const llama3 = { rope_type: "llama3", factor: 8, low_freq_factor: 1, high_freq_factor: 4 }
    const scaling = { ...llama3, original_max_position_embeddings: 8192 }
    const { angles, length } = measure({ rope_theta: 5e5, rope_scaling: scaling })
    const golden = [1, 0.19392274474868576, 0.03760603093086393, 0.0072926647372171085]
    expectAngles(angles, [
      ...golden,
      0.0005248461609929547,
      3.428102195952591e-5,
      6.647869871181236e-6,
      1.2891731721515574e-6,
    ])
    expect(length).toBeCloseTo(1, 6)
  })

  test("a part of the head may stay as it is", () => {
    expect(measure({ partial_rotary_factor: 0.5, rope_scaling: null }).angles.length).toBe(4)
  })
})
