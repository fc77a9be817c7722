import { floatBits } from "./floatBits.ts"
import type { BufferId } from "./GpuQueue.ts"
import type { GpuContext } from "./runRows.ts"

/** RMS norm of the first `numRows` rows of `weight.length` values. `out` may be `x`. */
export function normRows(
  { queue, kernels, constants }: GpuContext,
  out: BufferId,
  x: BufferId,
  numRows: number,
  weight: Float32Array,
  epsilon: number,
): void {
  const isInPlace = out === x
  const rows = isInPlace ? [out] : [x, out]
  const parameters = [weight.length, floatBits(epsilon)]
  queue.dispatch(kernels.norm({ isInPlace }), [numRows, 1], parameters, [constants.take(weight), ...rows])
}
