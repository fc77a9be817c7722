import type { Backend } from "@consilium/kernels"
import type { PreparedModel } from "../prepared/PreparedModel.ts"
import type { NamedTensor } from "../checkpoint/writeSafetensors.ts"
import { createTransformer } from "./Transformer.ts"

/**
 * Computes everything that the golden files hold, for each prompt, in one piece:
 * `p{i}.logits [T, V]` and per layer `p{i}.layer{l}.hidden [T, H]`, `….router_logits [T, E]`, `….expert_ids [T, K]`, `….expert_weights [T, K]`.
 *
 * @param chunkRows most rows of one pass; the whole prompt unless given (a prompt in chunks gives the same numbers within rounding)
 * @throws Error on an id outside the vocabulary
 */
export function computeLogits(
  prepared: PreparedModel,
  backend: Backend,
  prompts: readonly (readonly number[])[],
  chunkRows: number = Number.POSITIVE_INFINITY,
): NamedTensor[] {
  const longest = prompts.reduce((most, ids) => Math.max(most, ids.length), 1)
  const maxRows = Math.min(longest, chunkRows)
  const transformer = createTransformer({
    prepared,
    backend,
    numSlots: 1,
    capacity: longest,
    maxRows,
    maxLogitRows: maxRows,
  })
  const { vocabSize, hiddenSize, layers } = prepared.config
  try {
    return prompts.flatMap((ids, p) => {
      const tensors = new Map<string, NamedTensor>()
      const record = (
        name: string,
        width: number,
        values: Float32Array | Int32Array,
        firstRow: number,
        numRows: number,
      ): void => {
        const empty =
          values instanceof Float32Array ? new Float32Array(ids.length * width) : new Int32Array(ids.length * width)
        const tensor = tensors.get(name) ?? { name, shape: [ids.length, width], values: empty }
        tensor.values.set(values.subarray(0, numRows * width), firstRow * width)
        tensors.set(name, tensor)
      }

      for (let first = 0; first < ids.length; first += maxRows) {
        const numRows = Math.min(maxRows, ids.length - first)
        const batch = {
          numRows,
          ids: Int32Array.from(ids.slice(first, first + numRows)),
          slots: [{ slotId: 0, firstRow: 0, numRows, pastLength: first, wantsLogits: true }],
          wantsAllLogits: true,
        }
        transformer.run(batch, (l, { hidden, routerLogits, routing }) => {
          const prefix = `p${p}.layer${l}`
          record(`${prefix}.hidden`, hiddenSize, hidden, first, numRows)
          const { feedForward } = layers[l]!
          if (feedForward.kind === "dense" || routerLogits === undefined || routing === undefined) return
          record(`${prefix}.router_logits`, feedForward.numExperts, routerLogits, first, numRows)
          record(`${prefix}.expert_ids`, feedForward.topK, routing.expertIds, first, numRows)
          record(`${prefix}.expert_weights`, feedForward.topK, routing.weights, first, numRows)
        })
        for (let t = 0; t < numRows; t++) record(`p${p}.logits`, vocabSize, transformer.rowLogits(t), first + t, 1)
      }
      return [...tensors.values()]
    })
  } finally {
    transformer.close()
  }
}
