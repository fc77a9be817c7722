import { ADDED_VALUES } from "./addScaledKernel.ts"
import type { BufferId } from "./GpuQueue.ts"
import type { GpuContext } from "./runRows.ts"

/**
 * `out[t] += factors[t] * x[t]` for the first `numRows` rows of `width`.
 *
 * @param factors `[numRows]`; without them they are 1
 */
export function addScaledRows(
  { queue, kernels }: GpuContext,
  out: BufferId,
  x: BufferId,
  numRows: number,
  width: number,
  factors: BufferId | undefined,
): void {
  const kernel = kernels.addScaled({ hasFactors: factors !== undefined })
  const inputs = factors === undefined ? [x] : [x, factors]
  queue.dispatch(kernel, [Math.ceil(width / ADDED_VALUES), numRows], [width], [...inputs, out])
}
