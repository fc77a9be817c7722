import type { ExpertRows, Rows } from "@consilium/kernels"

/** `out[t] = Σ_k weights[t, k] · outputs[row of (t, k)]`, in order of rank. Plain: both lie in the arena. */
export function combineRows(out: Rows, outputs: Rows, { numTokens, topK, rows, weights }: ExpertRows): void {
  const { width, values: to } = out
  const from = outputs.values
  to.fill(0, 0, numTokens * width)
  for (let a = 0; a < numTokens * topK; a++) {
    const row = rows[a]!
    if (row < 0) continue
    const [target, source, weight] = [Math.floor(a / topK) * width, row * width, weights[a]!]
    for (let i = 0; i < width; i++) to[target + i] = to[target + i]! + weight * from[source + i]!
  }
}
