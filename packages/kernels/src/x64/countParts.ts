/** How the work of an operation is cut into tasks: into parts that are worth one each. */
/** Least values of rows that are worth a task of their own. */
const TASK_VALUES = 1 << 15
/** Least bytes of weights that are. */
const TASK_BYTES = 1 << 16
/** Tasks for each host: more balance better, where one is put aside for a while. */
const ROW_TASKS_PER_HOST = 4
/** Tasks for each host that all weights which are left would be cut into. */
const PRODUCT_TASKS_PER_HOST = 4

/** Returns how many parts of rows an operation that goes row by row is cut into. */
export function countRowParts(numHosts: number, numRows: number, valuesPerRow: number): number {
  const worth = Math.max(1, Math.floor((numRows * valuesPerRow) / TASK_VALUES))
  return Math.min(numRows, worth, numHosts * ROW_TASKS_PER_HOST)
}

/**
 * Returns how many pairs of groups the next task takes of a matrix that has `pairsLeft`, in a phase that has `bytesLeft` of weights: fewer and fewer, so that
 * hosts end together, and the long ones read long runs of memory.
 *
 * @see guided self-scheduling: Polychronopoulos & Kuck, IEEE Trans. Computers 1987
 */
export function takePairs(
  numHosts: number,
  groupBytes: number,
  pairsLeft: number,
  bytesLeft: number,
  numRows: number,
): number {
  if (numHosts === 1) return pairsLeft
  // Many rows make up for few weights.
  const least = TASK_BYTES / Math.max(1, numRows / 4)
  const bytes = Math.max(least, bytesLeft / (numHosts * PRODUCT_TASKS_PER_HOST))
  return Math.min(pairsLeft, Math.max(1, Math.round(bytes / (2 * groupBytes))))
}

/** Returns where part `part` begins when `total` is cut into `numParts`, and where the last ends for `part = numParts`. */
export function partStart(total: number, part: number, numParts: number): number {
  return Math.floor((total * part) / numParts)
}
