import type { Backend } from "@consilium/kernels"
import { createTransformer, loadTokenizer, openPreparedModel, type Transformer } from "@consilium/model"
import type { TextEmbedder } from "./Embedder.ts"

/** Texts are cut to so many tokens: the beginning says the matter. */
const MOST_TOKENS = 128

/**
 * Loads a prepared model into this process; a text's vector is the mean of its tokens' hidden states after the last layer.
 *
 * It computes in the caller's thread, with the caller's backend, which stays its own.
 *
 * @throws PreparedModelError, TextError
 */
export function openLocalEmbedder(preparedDir: string, sourceDir: string, backend: Backend): TextEmbedder {
  const tokenizer = loadTokenizer(sourceDir)
  const prepared = openPreparedModel(preparedDir, sourceDir)
  const options = { prepared, backend, numSlots: 1, capacity: MOST_TOKENS, maxRows: MOST_TOKENS }
  let transformer: Transformer
  try {
    transformer = createTransformer(options)
  } catch (error) {
    prepared.close()
    throw error
  }
  return {
    size: prepared.config.hiddenSize,
    embed: (text) => meanHidden(transformer, tokenizer.encode(text).slice(0, MOST_TOKENS)),
    close() {
      transformer.close()
      prepared.close()
    },
  }
}

/** Runs one text and returns the mean row of the last layer's output; all 0 for an empty text. */
function meanHidden(transformer: Transformer, ids: readonly number[]): Float32Array {
  const { hiddenSize, layers } = transformer.config
  const mean = new Float32Array(hiddenSize)
  const numRows = ids.length
  if (numRows === 0) return mean
  const slots = [{ slotId: 0, firstRow: 0, numRows, pastLength: 0, wantsLogits: false }]
  transformer.run({ numRows, ids: Int32Array.from(ids), slots }, (layer, { hidden }) => {
    if (layer < layers.length - 1) return
    for (let row = 0; row < numRows; row++)
      for (let i = 0; i < hiddenSize; i++) mean[i]! += hidden[row * hiddenSize + i]! / numRows
  })
  return mean
}
