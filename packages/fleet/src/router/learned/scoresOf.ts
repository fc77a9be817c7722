import { sigmoid, softmax } from "@consilium/tensor"
import type { RouterWeights } from "./RouterWeights.ts"

/** Returns scores in 0..1, `[E]`, of logits: what a router says of its experts. */
export function scoresOf(logits: Float32Array, output: RouterWeights["output"], temperature: number): Float32Array {
  const scores = logits.map((logit) => logit / temperature)
  if (output === "sigmoid") return scores.map(sigmoid)
  softmax(scores, scores)
  return scores
}
