import type { Backend, Rows } from "@consilium/kernels"
import type { LayerConfig, ModelConfig } from "../ModelConfig.ts"
import { SHORTLIST_LENGTH } from "../sampling/index.ts"
import type { Weights } from "./loadWeights.ts"

/** Buffers of one step, allocated once. `branch` is what attention or the feed-forward adds to `hidden`. */
export interface Scratch {
  readonly hidden: Rows
  readonly normed: Rows
  readonly branch: Rows
  readonly qkv: Rows
  readonly attended: Rows
  /** Ids within one part of a vocabulary matrix that is split. */
  readonly ids: Int32Array
  readonly headRows: Rows
  readonly logits: Rows
  /** `[T, 2N]` the largest logits and their ids; undefined where the backend does not find them. */
  readonly shortlists: Rows | undefined
  /** One per part of a head that is split, else empty. */
  readonly partLogits: readonly Rows[]
}

/** Allocates what steps of up to `maxRows` rows write to. */
export function createScratch(
  config: ModelConfig,
  backend: Backend,
  maxRows: number,
  { head }: Weights,
  maxLogitRows: number,
): Scratch {
  const { arena } = backend
  const { hiddenSize, vocabSize, layers } = config
  const listsBest = backend.supports("shortlist", "f32") && vocabSize > SHORTLIST_LENGTH
  const widest = (width: (attention: LayerConfig["attention"]) => number): number =>
    layers.reduce((most, { attention }) => Math.max(most, width(attention)), 0)
  return {
    hidden: arena.rows(maxRows, hiddenSize),
    normed: arena.rows(maxRows, hiddenSize),
    branch: arena.rows(maxRows, hiddenSize),
    qkv: arena.rows(
      maxRows,
      widest(({ numHeads, numKvHeads, headDim }) => (numHeads + 2 * numKvHeads) * headDim),
    ),
    attended: arena.rows(
      maxRows,
      widest(({ numHeads, headDim }) => numHeads * headDim),
    ),
    ids: new Int32Array(maxRows),
    headRows: arena.rows(maxLogitRows, hiddenSize),
    logits: arena.rows(maxLogitRows, vocabSize),
    shortlists: listsBest ? arena.rows(maxLogitRows, 2 * SHORTLIST_LENGTH) : undefined,
    partLogits: head.parts.length === 1 ? [] : head.parts.map(({ numRows }) => arena.rows(maxLogitRows, numRows)),
  }
}
