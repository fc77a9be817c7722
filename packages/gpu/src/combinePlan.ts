import type { ExpertRows } from "@consilium/kernels"
import type { BufferId } from "./GpuQueue.ts"
import type { GpuContext } from "./runRows.ts"

/**
 * Combines the outputs of a plan that the caller made: `out[t] = Σ_k weights[t, k] · outputs[row of (t, k)]`.
 *
 * @param out     `[T, width]`
 * @param outputs `[A, width]`
 */
export function combinePlan(
  { queue, kernels, scratch }: GpuContext,
  out: BufferId,
  outputs: BufferId,
  { numTokens, topK, rows, weights }: ExpertRows,
  width: number,
): void {
  const rowOf = scratch.take("outputRows", numTokens * topK * 4)
  queue.writeValues(rowOf, rows.subarray(0, numTokens * topK))
  // As a routing on the device has them: between ids, which nobody reads, and norms, which nobody asks for.
  const routing = new Float32Array(numTokens * 3 * topK)
  for (let t = 0; t < numTokens; t++) routing.set(weights.subarray(t * topK, (t + 1) * topK), t * 3 * topK + topK)
  const weighing = scratch.take("routing", routing.byteLength)
  queue.writeValues(weighing, routing)
  const kernel = kernels.combine({ topK, sharedExpert: "none" })
  queue.dispatch(kernel, [numTokens, 1], [width], [outputs, rowOf, weighing, out])
}
