import type { LinearRouter } from "@consilium/gating"
import type { EmbedderMark } from "../embed/Embedder.ts"
import type { FeatureTable } from "../features/FeatureTable.ts"

/**
 * A learned router: what it knows, as data. Frozen once trained.
 *
 * A request's hidden state is the sum of its features' rows of `bag`: it is sparse, and all else is the router of the token scale. With a `head` this
 * is gating's `MlpRouter`, `W₂ · (relu(W₁ · x + b₁) + embedding[task]) + b₂`, without one its `LinearRouter`, with W₁ transposed.
 *
 * Shape letters: `F` grams, `N = F + 3 + D` features in all, `R` hidden width, `E` experts.
 */
export interface RouterWeights {
  readonly experts: readonly string[]
  /** `softmax`: one of them is right, scores sum to 1. `sigmoid`: each is right or not by itself. */
  readonly output: "softmax" | "sigmoid"
  readonly features: FeatureTable
  /** `D`, 0 for none. */
  readonly embeddingSize: number
  /** Whose embeddings they are; absent where nobody said. */
  readonly embedder?: EmbedderMark
  /** Hashes of the texts that it was trained on, ascending: by these nobody judges it. */
  readonly seen: Uint32Array
  /** `[N, R]`, without a head `[N, E]` */
  readonly bag: Float32Array
  /** `[R]`, without a head `[E]` */
  readonly bagBias: Float32Array
  readonly head?: RouterHead
  /** Divides the logits, so that scores are as often right as they say. */
  readonly temperature: number
  /** What shares of requests for a stronger expert bring, for routers of a cheap and a strong one. */
  readonly tradeOff?: TradeOff
}

/** The layers of a router: what training moves. */
export type RouterLayers = Pick<RouterWeights, "bag" | "bagBias" | "head">

/** The second layer of an MLP. */
export interface RouterHead {
  /** `[numTasks, R]` */
  readonly taskEmbedding: Float32Array
  /** Weight `[E, R]`, bias `[E]` */
  readonly output: LinearRouter & { readonly bias: Float32Array }
}

/** Measured on examples that the router had not seen, at 0, 1, … 100 % of requests for the strong expert. */
export interface TradeOff {
  /** `[101]`: what the strong one must be worth more for a request to be among that share. Descending. */
  readonly thresholds: Float32Array
  /** `[101]`: part of answers that were right. */
  readonly quality: Float32Array
}

/** The width of the hidden state, which is the number of experts without a head. */
export function hiddenWidth({ bagBias }: Pick<RouterLayers, "bagBias">): number {
  return bagBias.length
}
