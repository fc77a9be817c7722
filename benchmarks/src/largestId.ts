/** Returns the id of the largest logit, ties to the lower: what a model says greedily. */
export function largestId(logits: Float32Array): number {
  let best = 0
  for (let id = 1; id < logits.length; id++) if (logits[id]! > logits[best]!) best = id
  return best
}
