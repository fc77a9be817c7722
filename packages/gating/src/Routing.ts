/** Which experts each token goes to: `[T, K]` each, best first, ties to the lower id. Buffers may be longer than `numTokens * topK`. */
export interface Routing {
  numTokens: number
  readonly topK: number
  /** Expert id of each assignment `t * K + k`; -1 where the assignment was dropped (no expert available, or capacity). */
  readonly expertIds: Int32Array
  readonly weights: Float32Array
}

/** Allocates a routing for up to `maxTokens` tokens. */
export function createRouting(maxTokens: number, topK: number): Routing {
  return {
    numTokens: 0,
    topK,
    expertIds: new Int32Array(maxTokens * topK),
    weights: new Float32Array(maxTokens * topK),
  }
}
