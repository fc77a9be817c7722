import { loadModelConfig, type ModelConfig } from "@consilium/model"
import { createRandom, f32ToF16 } from "@consilium/tensor"
import { basename } from "node:path"
import { createFiller } from "./createFiller.ts"
import {
  GGML_TYPES,
  GGUF_ALIGNMENT,
  ggufHeader,
  type GgufTensor,
  ggufTensorBytes,
  type GgufValue,
} from "./ggufHeader.ts"
import { type GenerateOptions, routerRows } from "./writeCheckpoint.ts"
import { byteVocabulary } from "./writeByteTokenizer.ts"
import { type TensorBytes, writeTensorFile } from "./writeTensorFile.ts"

/** Families that llama.cpp knows by another name and that need no tensor beside those below. */
const ARCHITECTURES: Readonly<Record<string, string>> = { "Qwen3-MoE": "qwen3moe", OLMoE: "olmoe" }

/** Blocks of the pool that matrices are cut from: 18 MiB. */
const POOL_BLOCKS = 2 ** 20
/** Deviation of a nibble of the pool: 1 to 15, and 8 twice as often, less 8. */
const NIBBLE_SIGMA = Math.sqrt(17.5)
const FILE_TYPE_Q4_0 = 2
const TOKEN_NORMAL = 1
const TOKEN_CONTROL = 3

/** A tensor, and the deviation of its weights; undefined for a norm, which is all ones. */
interface PlannedTensor extends GgufTensor {
  readonly sigma?: number
  /** Layer of the router that this is. */
  readonly routerOf?: number
}

/** Says why a checkpoint cannot be had as GGUF, or undefined where it can. */
export function ggufObstacle(config: ModelConfig): string | undefined {
  const { family, layers } = config
  if (ARCHITECTURES[family] === undefined)
    return `no GGUF is made for ${family}, only for ${Object.keys(ARCHITECTURES).join(" and ")}`
  if (layers.some(({ feedForward }) => feedForward.kind === "dense")) return "not all of its layers are MoE"
  const odd = listTensors(config).find(({ type, shape }) => shape.at(-1)! % GGML_TYPES[type].blockLength !== 0)
  return odd && `${odd.name}: expected rows of a multiple of 32 for ${odd.type}, found ${odd.shape.at(-1)}`
}

/**
 * Writes a GGUF file of a shape with random weights: the twin of `writeCheckpoint`, in llama.cpp's Q4_0.
 *
 * Every matrix is Q4_0, embedding and head too (what llama-quantize calls `--pure`: it reads least); norms and routers are f32. Weights
 * are not those of the checkpoint, but distributed alike. Nibbles are symmetric around 8: with 0 to 15 the mean would be -0.5, all hidden
 * states would share a direction, and all tokens the same few experts.
 *
 * @param configDir has the config.json
 * @throws Error on a family without GGUF; as `writeTensorFile`
 */
export async function writeGguf(
  path: string,
  configDir: string,
  { skew, seed, ...options }: GenerateOptions,
): Promise<void> {
  const { config } = loadModelConfig(configDir)
  const obstacle = ggufObstacle(config)
  if (obstacle !== undefined) throw new Error(`${configDir}: ${obstacle}`)
  const tensors = listTensors(config)
  const fillerOf = createFillers(seed)

  const bytesOf = (tensor: PlannedTensor): TensorBytes => {
    const numBytes = ggufTensorBytes(tensor)
    if (tensor.routerOf !== undefined) return f32Bytes(routerRows(config, tensor.routerOf, skew, seed))
    if (tensor.sigma === undefined) return f32Bytes(new Float32Array(numBytes / 4).fill(1))
    return { numBytes, fill: fillerOf(tensor.sigma) }
  }
  await writeTensorFile(path, ggufHeader(metadataOf(config, basename(path, ".gguf")), tensors), tensors.map(bytesOf), {
    ...options,
    alignment: GGUF_ALIGNMENT,
  })
}

/** Returns the bytes of the tensors of a config's GGUF file. */
export function ggufBytes(config: ModelConfig): number {
  return listTensors(config).reduce((sum, tensor) => sum + ggufTensorBytes(tensor), 0)
}

function listTensors({ hiddenSize, vocabSize, isTied, layers }: ModelConfig): PlannedTensor[] {
  const matrix = (name: string, ...shape: number[]): PlannedTensor => ({
    name: `${name}.weight`,
    type: "Q4_0",
    shape,
    sigma: 1 / Math.sqrt(shape.at(-1)!),
  })
  const norm = (name: string, length: number): PlannedTensor => ({
    name: `${name}.weight`,
    type: "F32",
    shape: [length],
  })

  const ofLayer = (l: number): PlannedTensor[] => {
    const { attention, feedForward } = layers[l]!
    if (feedForward.kind !== "moe") throw new Error(`layer ${l} is dense`)
    const { numHeads, numKvHeads, headDim, qkNorm } = attention
    const { numExperts: experts, expertIntermediateSize: inner } = feedForward
    const [qWidth, kvWidth] = [numHeads * headDim, numKvHeads * headDim]
    const block = `blk.${l}`
    return [
      norm(`${block}.attn_norm`, hiddenSize),
      matrix(`${block}.attn_q`, qWidth, hiddenSize),
      matrix(`${block}.attn_k`, kvWidth, hiddenSize),
      matrix(`${block}.attn_v`, kvWidth, hiddenSize),
      norm(`${block}.attn_q_norm`, qkNorm === "head" ? headDim : qWidth),
      norm(`${block}.attn_k_norm`, qkNorm === "head" ? headDim : kvWidth),
      matrix(`${block}.attn_output`, hiddenSize, qWidth),
      norm(`${block}.ffn_norm`, hiddenSize),
      { name: `${block}.ffn_gate_inp.weight`, type: "F32", shape: [experts, hiddenSize], routerOf: l },
      matrix(`${block}.ffn_gate_exps`, experts, inner, hiddenSize),
      matrix(`${block}.ffn_up_exps`, experts, inner, hiddenSize),
      matrix(`${block}.ffn_down_exps`, experts, hiddenSize, inner),
    ]
  }
  return [
    { ...matrix("token_embd", vocabSize, hiddenSize), sigma: 1 },
    ...layers.flatMap((_, l) => ofLayer(l)),
    norm("output_norm", hiddenSize),
    ...(isTied ? [] : [matrix("output", vocabSize, hiddenSize)]),
  ]
}

function metadataOf(config: ModelConfig, name: string): Record<string, GgufValue> {
  const { family, vocabSize, hiddenSize, contextLength, normEpsilon, layers } = config
  const architecture = ARCHITECTURES[family]!
  const { attention, feedForward } = layers[0]!
  if (feedForward.kind !== "moe") throw new Error("a GGUF of dense layers is not made")
  const sizes: Record<string, number> = {
    block_count: layers.length,
    context_length: contextLength,
    embedding_length: hiddenSize,
    feed_forward_length: feedForward.expertIntermediateSize,
    expert_feed_forward_length: feedForward.expertIntermediateSize,
    expert_count: feedForward.numExperts,
    expert_used_count: feedForward.topK,
    "attention.head_count": attention.numHeads,
    "attention.head_count_kv": attention.numKvHeads,
    "attention.key_length": attention.headDim,
    "attention.value_length": attention.headDim,
  }
  const texts = byteVocabulary(vocabSize)
  return {
    "general.architecture": { text: architecture },
    "general.name": { text: name },
    "general.file_type": { uint: FILE_TYPE_Q4_0 },
    "general.quantization_version": { uint: 2 },
    ...Object.fromEntries(Object.entries(sizes).map(([key, uint]) => [`${architecture}.${key}`, { uint }])),
    [`${architecture}.attention.layer_norm_rms_epsilon`]: { float: normEpsilon },
    [`${architecture}.rope.freq_base`]: { float: attention.rope.theta },
    "tokenizer.ggml.model": { text: "gpt2" },
    "tokenizer.ggml.pre": { text: "default" },
    "tokenizer.ggml.tokens": { texts },
    "tokenizer.ggml.token_type": {
      ints: texts.map((text) => (text.startsWith("<|") ? TOKEN_CONTROL : TOKEN_NORMAL)),
    },
    // The loader wants the list, and one merge at least.
    "tokenizer.ggml.merges": { texts: ["Ġ Ġ"] },
    "tokenizer.ggml.eos_token_id": { uint: texts.indexOf("<|im_end|>") },
  }
}

/** Returns fillers by deviation, which share one pool of nibbles. */
function createFillers(seed: number): (sigma: number) => (out: Uint8Array) => void {
  const nibbles = randomNibbles(POOL_BLOCKS * 16, seed)
  const fillers = new Map<number, (out: Uint8Array) => void>()
  return (sigma) => {
    const known = fillers.get(sigma)
    if (known !== undefined) return known
    const scale = new Uint16Array(1)
    f32ToF16(scale, Float32Array.of(sigma / NIBBLE_SIGMA))
    const { blockBytes } = GGML_TYPES.Q4_0
    const pool = new Uint8Array(POOL_BLOCKS * blockBytes)
    for (let block = 0; block < POOL_BLOCKS; block++) {
      pool[block * blockBytes] = scale[0]! & 0xff
      pool[block * blockBytes + 1] = scale[0]! >> 8
      pool.set(nibbles.subarray(block * 16, block * 16 + 16), block * blockBytes + 2)
    }
    const filler = createFiller(pool, blockBytes, seed + fillers.size)
    fillers.set(sigma, filler)
    return filler
  }
}

/** Returns bytes of two nibbles each, 1 to 15; 8 is twice as likely as each other. */
function randomNibbles(length: number, seed: number): Uint8Array {
  const random = createRandom(seed)
  const symmetric = (nibble: number): number => (nibble === 0 ? 8 : nibble)
  const bytes = new Uint8Array(length)
  const words = new Uint32Array(bytes.buffer)
  for (let i = 0; i < words.length; i++) words[i] = random() * 2 ** 32
  for (let i = 0; i < length; i++) bytes[i] = symmetric(bytes[i]! & 15) | (symmetric(bytes[i]! >> 4) << 4)
  return bytes
}

function f32Bytes(values: Float32Array): TensorBytes {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
  return { numBytes: bytes.length, fill: (out, offset) => out.set(bytes.subarray(offset, offset + out.length)) }
}
