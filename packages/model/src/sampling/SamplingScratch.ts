/** What has been said before the token that is chosen. */
export interface History {
  /** Prompt, and after it what was generated. */
  readonly ids: readonly number[]
  readonly numPrompt: number
}

/** Buffers of one choice. */
export interface SamplingScratch {
  /** `[V]` logits after bias, penalties and temperature, then weights. */
  readonly scores: Float64Array
  /** `[V]` ids that are still in, the first `count`. */
  readonly ids: Int32Array
  /** `[V]` how often an id occurred; zero between calls. */
  readonly counts: Int32Array
}
