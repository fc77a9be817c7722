/** What routing may be told from outside: operators, failover and load balancing speak through these. */
export interface RouteOptions {
  /** `[E]`, added to scores when experts are chosen, never to weights. @see DeepSeek-V3, arXiv:2412.19437 §2.1.2 */
  readonly selectionBias?: Float32Array
  /** `[T, E]`, added to logits when experts are chosen, never to weights: `drawRouterNoise`. */
  readonly routerNoise?: Float32Array
  /** `[E]`, 0 = route around: as if the model had no such expert. */
  readonly availability?: Uint8Array
  /** Most assignments of one expert; overflow goes to the token's next best expert with room, earlier tokens first. `Infinity` is dropless. */
  readonly capacity?: number
}

/** Buffers of one call, allocated once per number of experts. */
export interface RouteScratch {
  readonly numExperts: number
  /** `[E]` scores after softmax or sigmoid; for the sparsemixer the logits not yet chosen. */
  readonly scores: Float64Array
  /** `[E]` a token's logits with noise. */
  readonly noisy: Float32Array
  /** `[E]` what experts are chosen by; -Infinity is out. */
  readonly choice: Float64Array
  /** `[E]` assignments so far. */
  readonly counts: Int32Array
  readonly groupScores: Float64Array
  readonly groupIds: Int32Array
}

/** Allocates scratch for `numExperts` experts. */
export function createRouteScratch(numExperts: number): RouteScratch {
  return {
    numExperts,
    scores: new Float64Array(numExperts),
    noisy: new Float32Array(numExperts),
    choice: new Float64Array(numExperts),
    counts: new Int32Array(numExperts),
    groupScores: new Float64Array(numExperts),
    groupIds: new Int32Array(numExperts),
  }
}
