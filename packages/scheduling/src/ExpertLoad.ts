/** How busy each expert is: averages over steps that forget exponentially, `[L * E]` each. */
export interface ExpertLoad {
  readonly numLayers: number
  readonly numExperts: number
  /** Tokens a step. */
  readonly tokens: Float64Array
  /** Time a step, in milliseconds. */
  readonly timesMs: Float64Array
  /** Steps that each layer has seen. */
  readonly numSteps: Float64Array
  /** What the newest step counts. */
  readonly weight: number
}

/** A load of the last hundred steps or so. */
const USUAL_WEIGHT = 0.02

/** Allocates the load of all experts of a model, that of one who has done nothing yet. @param weight what the newest step counts, in (0, 1] */
export function createExpertLoad(numLayers: number, numExperts: number, weight: number = USUAL_WEIGHT): ExpertLoad {
  const length = numLayers * numExperts
  return {
    numLayers,
    numExperts,
    tokens: new Float64Array(length),
    timesMs: new Float64Array(length),
    numSteps: new Float64Array(numLayers),
    weight,
  }
}

/**
 * Takes one layer's step into its averages. Early steps count alike, so that the first ones are no weaker than the load is. Allocates nothing.
 *
 * @param tokensPerExpert `[E]`, 0 for those that had none
 * @param timesMs `[E]`; times are left as they are without it
 */
export function observeLoad(
  load: ExpertLoad,
  layer: number,
  tokensPerExpert: ArrayLike<number>,
  timesMs?: ArrayLike<number>,
): void {
  const first = layer * load.numExperts
  const weight = Math.max(load.weight, 1 / ++load.numSteps[layer]!)
  for (let e = 0; e < load.numExperts; e++) {
    load.tokens[first + e]! += weight * (tokensPerExpert[e]! - load.tokens[first + e]!)
    if (timesMs !== undefined) load.timesMs[first + e]! += weight * (timesMs[e]! - load.timesMs[first + e]!)
  }
}

/** Returns a layer's imbalance: the tokens of its busiest expert over the mean; 1 where there were none. */
export function loadImbalance({ tokens, numExperts }: ExpertLoad, layer: number): number {
  let sum = 0
  let most = 0
  for (let i = layer * numExperts; i < (layer + 1) * numExperts; i++) {
    sum += tokens[i]!
    most = Math.max(most, tokens[i]!)
  }
  return sum > 0 ? (most * numExperts) / sum : 1
}

/** Writes each expert's share of a layer's tokens to `out [E]`: they add up to 1, or are equal where there were no tokens. */
export function tokenShares(out: Float64Array, { tokens, numExperts }: ExpertLoad, layer: number): void {
  const first = layer * numExperts
  let sum = 0
  for (let e = 0; e < numExperts; e++) sum += tokens[first + e]!
  for (let e = 0; e < numExperts; e++) out[e] = sum > 0 ? tokens[first + e]! / sum : 1 / numExperts
}
