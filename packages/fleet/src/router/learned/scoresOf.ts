import { softmax } from "@consilium/tensor"
import type { RouterWeights } from "./RouterWeights.ts"

/** Returns scores in 0..1, `[E]`, of logits: what a router says of its experts. */
export function scoresOf(logits: Float32Array, output: RouterWeights["output"], temperature: number): Float32Array {
  const scores = logits.map((logit) => logit / temperature)
  if (output === "softmax") softmax(scores, scores)
  else for (let e = 0; e < scores.length; e++) scores[e] = 1 / (1 + Math.exp(-scores[e]!))
  return scores
}
