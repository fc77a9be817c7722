import { scoresOf } from "./scoresOf.ts"
import type { RouterWeights } from "./RouterWeights.ts"

const LEAST = 0.05
const MOST = 20
const GOLDEN = (Math.sqrt(5) - 1) / 2
const STEPS = 40

/**
 * Returns the temperature under which the truth is likeliest, by golden-section search on its logarithm: the loss has one valley.
 *
 * @see Guo et al., On Calibration of Modern Neural Networks, arXiv:1706.04599 §4.2
 */
export function fitTemperature(
  logits: readonly Float32Array[],
  targets: readonly Float32Array[],
  output: RouterWeights["output"],
): number {
  const loss = (logTemperature: number): number => meanLoss(logits, targets, output, Math.exp(logTemperature))
  let low = Math.log(LEAST)
  let high = Math.log(MOST)
  for (let step = 0; step < STEPS; step++) {
    const span = GOLDEN * (high - low)
    if (loss(high - span) < loss(low + span)) high = low + span
    else low = high - span
  }
  return Math.exp((low + high) / 2)
}

/** Mean cross-entropy, in nats. */
export function meanLoss(
  logits: readonly Float32Array[],
  targets: readonly Float32Array[],
  output: RouterWeights["output"],
  temperature: number,
): number {
  let sum = 0
  for (const [i, row] of logits.entries()) {
    const scores = scoresOf(row, output, temperature)
    for (const [e, target] of targets[i]!.entries()) {
      if (target > 0) sum -= target * Math.log(Math.max(scores[e]!, 1e-12))
      if (output === "sigmoid" && target < 1) sum -= (1 - target) * Math.log(Math.max(1 - scores[e]!, 1e-12))
    }
  }
  return sum / logits.length
}
