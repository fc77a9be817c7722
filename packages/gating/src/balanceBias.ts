export interface BiasStep {
  /** How far a bias moves at each step; 0.001 is DeepSeek-V3's, for scores of at most 1. */
  readonly rate: number
  /** No bias is further from where training left it: bounds what balance may cost. */
  readonly most: number
}

/**
 * Moves a layer's selection bias towards balance, in place: up for experts below the mean load, down for those above it.
 *
 * It changes which experts are chosen, and so the text: an option, off unless asked for. Count whole steps, without padding: of a part of one the
 * bias would chase noise.
 *
 * @param bias `[E]`, given to `route` as `selectionBias`
 * @param load `[E]` tokens of each expert in the step, or their average
 * @param trained `[E]` the bias of the checkpoint; zeros unless given
 * @see auxiliary-loss-free balancing, arXiv:2408.15664 §3; DeepSeek-V3, arXiv:2412.19437 §2.1.2; the bound is ours
 */
export function balanceBias(
  bias: Float32Array,
  load: ArrayLike<number>,
  { rate, most }: BiasStep,
  trained?: Float32Array,
): void {
  let sum = 0
  for (let e = 0; e < bias.length; e++) sum += load[e]!
  const mean = sum / bias.length
  for (let e = 0; e < bias.length; e++) {
    const centre = trained?.[e] ?? 0
    const moved = bias[e]! + rate * Math.sign(mean - load[e]!)
    bias[e] = Math.min(centre + most, Math.max(centre - most, moved))
  }
}
