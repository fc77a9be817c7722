import type { BufferId } from "./GpuQueue.ts"
import type { GpuContext } from "./runRows.ts"
import { RUN } from "./shortlistKernel.ts"

/** Most values of a short list: passes then leave at most an eighth of what they read. */
const MOST_KEPT = 256

/**
 * Writes each row's `numKept` largest values, ties to the lower index, then their indices.
 *
 * @param out    `[T, 2 * numKept]`
 * @param logits `[T, width]`
 * @throws Error on a list that is longer than the rows, or than 256
 */
export function shortlistRows(
  { queue, kernels, scratch }: GpuContext,
  out: BufferId,
  logits: BufferId,
  numRows: number,
  width: number,
  numKept: number,
): void {
  if (numKept > Math.min(width, MOST_KEPT))
    throw new Error(`gpu: expected a short list of at most ${Math.min(width, MOST_KEPT)} values, found ${numKept}`)
  let [from, left] = [logits, width]
  for (let pass = 0; left > 0; pass++) {
    const numRuns = Math.ceil(left / RUN)
    const isLast = numRuns === 1
    const name = pass % 2 === 0 ? "candidates" : "otherCandidates"
    const to = isLast ? out : scratch.take(name, numRows * numRuns * numKept * 8)
    const parameters = [left, numKept, numRuns, pass === 0 ? 1 : 0]
    queue.dispatch(kernels.shortlist(), [numRuns, numRows], parameters, [from, to])
    ;[from, left] = [to, isLast ? 0 : numRuns * numKept]
  }
}
