import { type ForeignModel, openForeignModel, tensorOf } from "@consilium/onnx"
import { findModelFile, loadTokenizer, type Tokenizer } from "@consilium/model"
import { dirname } from "node:path"
import type { TextEmbedder } from "./Embedder.ts"

/** Texts are cut to so many tokens: no published encoder takes fewer. */
const MOST_TOKENS = 256
/** What encoders take; the second and third where they ask for them. */
const INPUTS = ["input_ids", "attention_mask", "token_type_ids"]

/**
 * Loads a user's ONNX model of embeddings into this process, with `tokenizer.json` beside it: sentence-transformers' and Optimum's exports.
 *
 * A text's vector is the output `sentence_embedding`, or the only one where it has two dimensions; else the mean of the tokens' rows.
 *
 * @throws Error in one line, or TextError
 */
export function openOnnxEmbedder(path: string): TextEmbedder {
  const file = findModelFile(path, "tokenizer.json")
  if (file === undefined)
    throw new Error(`${path}: expected tokenizer.json beside it or in the folder above, found none`)
  const tokenizer = loadTokenizer(dirname(file))
  const model = openForeignModel(path, 1)
  try {
    const output = outputOf(model, path)
    checkInputs(model, path)
    const run = (text: string): Float32Array => runText(model, output, idsOf(tokenizer, text))
    const { length: size } = run("a")
    return { size, embed: (text) => run(text), close: model.close }
  } catch (error) {
    model.close()
    throw error
  }
}

function checkInputs({ inputs }: ForeignModel, path: string): void {
  const strange = inputs.find(({ name, type }) => !INPUTS.includes(name) || type !== "i64")
  if (strange === undefined && inputs.some(({ name }) => name === "input_ids")) return
  const found = strange === undefined ? "none called input_ids" : `${strange.name} (${strange.type})`
  throw new Error(`${path}: expected the inputs ${INPUTS.join(", ")} in int64, found ${found}`)
}

function outputOf({ outputs }: ForeignModel, path: string): string {
  const pooled = outputs.find(({ name }) => name === "sentence_embedding")
  const output = pooled ?? outputs[0]
  const isVector = output !== undefined && [2, 3].includes(output.shape.length) && output.type === "f32"
  if (isVector && (output.shape.length === 3 || pooled !== undefined || outputs.length === 1)) return output.name
  const found = outputs.map(({ name, type, shape }) => `${name} (${type}, ${shape.length} dimensions)`).join(", ")
  throw new Error(
    `${path}: expected an output sentence_embedding, or one of each token's vectors first, in float32, found ${found}`,
  )
}

/** A text that is too long loses its middle: what ends it, ends it still. */
function idsOf(tokenizer: Tokenizer, text: string): readonly number[] {
  const ids = tokenizer.encode(text, { addSpecialTokens: true })
  return ids.length <= MOST_TOKENS ? ids : [...ids.slice(0, MOST_TOKENS - 1), ids.at(-1)!]
}

function runText(model: ForeignModel, output: string, ids: readonly number[]): Float32Array {
  const numTokens = ids.length
  const row = (value: (id: number) => number) =>
    tensorOf(
      BigInt64Array.from(ids, (id) => BigInt(value(id))),
      [1, numTokens],
    )
  const all = { input_ids: row((id) => id), attention_mask: row(() => 1), token_type_ids: row(() => 0) }
  const feeds = Object.fromEntries(
    Object.entries(all).filter(([name]) => model.inputs.some((input) => input.name === name)),
  )
  const { data, dims } = model.run(feeds, { [output]: null })[output]!
  const values = data as Float32Array
  if (dims.length === 2) return values.slice()
  const size = dims[2]!
  const mean = new Float32Array(size)
  for (let i = 0; i < values.length; i++) mean[i % size]! += values[i]! / numTokens
  return mean
}
