import { type Backend, createArena, createReferenceBackend } from "@consilium/kernels"
import { createTransformer, loadTokenizer, openPreparedModel, type Transformer } from "@consilium/model"
import type { Embedder } from "./Embedder.ts"

/** Texts are cut to so many tokens: the beginning says the matter. */
const MOST_TOKENS = 128

/** An embedder that holds a model. */
export interface LocalEmbedder extends Embedder {
  /** Gives the model's memory back. */
  close(): void
}

/**
 * Loads a prepared model into this process; a text's vector is the mean of its tokens' hidden states after the last layer.
 *
 * It computes in the caller's thread, with the reference backend unless another is given, which stays the caller's.
 *
 * @throws PreparedModelError, TextError
 */
export function openLocalEmbedder(preparedDir: string, sourceDir: string, backend?: Backend): LocalEmbedder {
  const tokenizer = loadTokenizer(sourceDir)
  const prepared = openPreparedModel(preparedDir, sourceDir)
  const own = backend === undefined ? createReferenceBackend(createArena({})) : undefined
  const options = { prepared, backend: backend ?? own!, numSlots: 1, capacity: MOST_TOKENS, maxRows: MOST_TOKENS }
  let transformer: Transformer
  try {
    transformer = createTransformer(options)
  } catch (error) {
    closeAll()
    throw error
  }
  function closeAll(): void {
    own?.close()
    own?.arena.close()
    prepared.close()
  }
  return {
    size: prepared.config.hiddenSize,
    embed: async (texts) => texts.map((text) => meanHidden(transformer, tokenizer.encode(text).slice(0, MOST_TOKENS))),
    close() {
      transformer.close()
      closeAll()
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
