/**
 * A router that scores experts, keeps the best k, and weighs them by their scores. Frozen at load.
 *
 * One description covers the published ones: Mixtral, Granite and gpt-oss are `softmax` normalised (a softmax over the k logits is the same
 * number); Qwen and OLMoE `softmax`, normalised or not; DeepSeek-V3, GLM-4 and LFM2 `sigmoid` with a selection bias; Llama 4 `sigmoid` by logits.
 */
export interface TopKRouterConfig {
  readonly kind: "top-k"
  readonly topK: number
  readonly score: "softmax" | "sigmoid"
  /** Weights are divided by their sum (plus `normEpsilon`). */
  readonly normalizesWeights: boolean
  /** Keeps the sum above zero; 0 unless given. */
  readonly normEpsilon?: number
  /** Multiplies the weights at the end; 1 unless given. */
  readonly scale?: number
  /** Divides the logits; 1 (as trained) unless given. It changes weights only, never which experts are chosen. */
  readonly temperature?: number
  /** Experts are chosen by logits rather than scores: the same unless scores saturate. */
  readonly choosesByLogits?: boolean
  /** Only experts of the best groups are considered. */
  readonly groups?: {
    readonly numGroups: number
    readonly numKept: number
    /** A group is worth its best expert, or the sum of its two best. */
    readonly score: "best" | "two-best"
  }
}

/** PhiMoE's router, k = 2: each choice is weighed against the experts within a relative gap of it. */
export interface SparsemixerConfig {
  readonly kind: "sparsemixer"
  readonly topK: 2
  readonly jitterEpsilon: number
}

export type RouterConfig = TopKRouterConfig | SparsemixerConfig
