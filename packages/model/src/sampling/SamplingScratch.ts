/** What has been said before the token that is chosen. */
export interface History {
  /** Prompt, and after it what was generated. */
  readonly ids: readonly number[]
  readonly numPrompt: number
}

/** Buffers of one choice. */
export interface SamplingScratch {
  /** `[V]` logits after bias and penalties. */
  readonly values: Float32Array
  /** `[V]` scores and then weights of the ids that are still in; the others are left over from earlier choices. */
  readonly scores: Float64Array
  /** `[V]` ids that are still in, the first `count`. */
  readonly ids: Int32Array
  /** `[V]` how often an id occurred; zero between calls. */
  readonly counts: Int32Array
}
