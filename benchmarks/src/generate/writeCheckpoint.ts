import {
  loadModelConfig,
  type ModelConfig,
  type ModelFormats,
  modelFormats,
  planModel,
  storedParts,
} from "@consilium/model"
import { f32ToBf16, noise } from "@consilium/tensor"
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { createFiller } from "./createFiller.ts"
import type { ModelShape } from "./parseShape.ts"
import { routerRowScales, type Skew } from "./routerRowScales.ts"
import { writeByteTokenizer } from "./writeByteTokenizer.ts"
import { type TensorBytes, type WriteOptions, writeTensorFile } from "./writeTensorFile.ts"

/** Weights of the pool that matrices are cut from: 8 MiB. */
const POOL_LENGTH = 2 ** 22
const BF16_ONE = 0x3f80
const BF16_BYTES = 2

export interface GenerateOptions extends WriteOptions {
  readonly skew: Skew
  readonly seed: number
}

interface PlannedTensor {
  readonly name: string
  readonly shape: readonly number[]
}

/** What generating a model takes, in bytes of disk. */
export interface PlannedBytes {
  readonly checkpoint: number
  readonly prepared: number
}

/**
 * Writes a checkpoint of random weights in bfloat16, any family that we read: config.json, model.safetensors, a byte-level tokenizer.
 *
 * Matrices have a mean of zero and a deviation of 1 / √columns, embeddings of 1: so a token keeps its own direction through the layers, and
 * different tokens choose different experts. Memory stays at a few pools of 8 MiB, whatever the size.
 *
 * @param dir made here; must not have a checkpoint yet
 * @throws CheckpointError on a shape that is none; the signal's reason when it is aborted, with no weights left behind
 */
export async function writeCheckpoint(
  dir: string,
  shape: ModelShape,
  { skew, seed, ...options }: GenerateOptions,
): Promise<void> {
  writeConfig(dir, shape)
  const { family, config } = loadModelConfig(dir)
  const tensors = listTensors(dir)
  const routers = new Map(config.layers.map((_, layer) => [family.layer(layer).router, layer]))
  const fillerOf = createFillers(seed)

  const bytesOf = ({ name, shape: sizes }: PlannedTensor): TensorBytes => {
    const numBytes = numWeights(sizes) * BF16_BYTES
    const columns = sizes.at(-1)!
    const layer = routers.get(name)
    if (layer !== undefined) return bf16Bytes(() => routerRows(config, layer, skew, seed))
    if (sizes.length === 1 && !name.endsWith(".bias"))
      return { numBytes, fill: (out) => void words(out).fill(BF16_ONE) }
    return { numBytes, fill: fillerOf(name === family.embedding ? 1 : 1 / Math.sqrt(columns)) }
  }
  await writeTensorFile(join(dir, "model.safetensors"), safetensorsHeader(tensors), tensors.map(bytesOf), {
    ...options,
    alignment: 1,
  })
  writeByteTokenizer(dir, config.vocabSize)
}

/** Writes a shape's config.json, which is all that a prepared model needs of its checkpoint. */
export function writeConfig(dir: string, { config }: ModelShape): void {
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, "config.json"), `${JSON.stringify({ ...config, hidden_act: "silu" }, undefined, 2)}\n`)
}

/** Removes the weights of a checkpoint and keeps its config.json. */
export function removeWeights(dir: string): void {
  for (const name of readdirSync(dir)) if (name.endsWith(".safetensors")) rmSync(join(dir, name))
}

/** Returns what the checkpoint of the config.json in `dir`, and its prepared form, take. @throws CheckpointError */
export function planBytes(dir: string, formats: ModelFormats): PlannedBytes {
  const { family, config } = loadModelConfig(dir)
  const parts = storedParts(planModel(createRecorder(), family, config, formats))
  return {
    checkpoint: listTensors(dir).reduce((sum, { shape }) => sum + numWeights(shape) * BF16_BYTES, 0),
    prepared: parts.reduce((sum, { bytes }) => sum + bytes, 0),
  }
}

/**
 * Returns the rows of a layer's router, `[E, H]`.
 *
 * Its logits have a deviation of 1 before the skew, as those of trained routers about have.
 */
export function routerRows({ layers, hiddenSize }: ModelConfig, layer: number, skew: Skew, seed: number): Float32Array {
  const { feedForward } = layers[layer]!
  if (feedForward.kind !== "moe") throw new Error(`layer ${layer} has no router`)
  const { numExperts, topK } = feedForward
  const rows = noise(numExperts * hiddenSize, seed * 1009 + layer, 1 / Math.sqrt(hiddenSize))
  const scales = routerRowScales(numExperts, topK, skew, seed * 1009 + layer)
  return rows.map((weight, i) => weight * scales[Math.floor(i / hiddenSize)]!)
}

/** Lists the tensors that our own loader looks for, in its order. */
function listTensors(dir: string): readonly PlannedTensor[] {
  const { family, config } = loadModelConfig(dir)
  const recorder = createRecorder()
  planModel(recorder, family, config, modelFormats("f32"))
  return recorder.tensors
}

/** A checkpoint that has whatever it is asked for, and remembers it. */
function createRecorder(): Parameters<typeof planModel>[0] & { readonly tensors: readonly PlannedTensor[] } {
  const tensors: PlannedTensor[] = []
  const read = (): never => {
    throw new Error("planning reads no weights")
  }
  return { tensors, check: (name, shape) => tensors.push({ name, shape }), readTensor: read, readRows: read }
}

/** Returns fillers by deviation, which share one pool of noise. */
function createFillers(seed: number): (sigma: number) => (out: Uint8Array) => void {
  const base = noise(POOL_LENGTH, seed, 1)
  const mean = base.reduce((sum, value) => sum + value, 0) / base.length
  const fillers = new Map<number, (out: Uint8Array) => void>()
  return (sigma) => {
    const known = fillers.get(sigma)
    if (known !== undefined) return known
    const pool = new Uint16Array(POOL_LENGTH)
    f32ToBf16(
      pool,
      base.map((value) => (value - mean) * sigma),
    )
    const filler = createFiller(new Uint8Array(pool.buffer), BF16_BYTES, seed + fillers.size)
    fillers.set(sigma, filler)
    return filler
  }
}

/** A small tensor, made when its first bytes are written. */
function bf16Bytes(create: () => Float32Array): TensorBytes {
  const values = create()
  const bits = new Uint16Array(values.length)
  f32ToBf16(bits, values)
  const bytes = new Uint8Array(bits.buffer)
  return { numBytes: bytes.length, fill: (out, offset) => out.set(bytes.subarray(offset, offset + out.length)) }
}

function safetensorsHeader(tensors: readonly PlannedTensor[]): Uint8Array {
  const entries: Record<string, unknown> = {}
  let offset = 0
  for (const { name, shape } of tensors) {
    const end = offset + numWeights(shape) * BF16_BYTES
    entries[name] = { dtype: "BF16", shape, data_offsets: [offset, end] }
    offset = end
  }
  const text = JSON.stringify(entries)
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  return Buffer.concat([length, json])
}

function numWeights(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1)
}

function words(bytes: Uint8Array): Uint16Array {
  return new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / BF16_BYTES)
}
