/** How the work of an operation is cut into tasks: into parts that are worth one each. */
import type { PlacedMatrix } from "./X64Slab.ts"

/** Least values of rows that are worth a task of their own. */
const TASK_VALUES = 1 << 15
/** Least bytes of weights that are. */
const TASK_BYTES = 1 << 16
/** Tasks for each host: more balance better, where one is put aside for a while. */
const ROW_TASKS_PER_HOST = 4
const PRODUCT_TASKS_PER_HOST = 8

/** Returns how many parts of rows an operation that goes row by row is cut into. */
export function countRowParts(numHosts: number, numRows: number, valuesPerRow: number): number {
  const worth = Math.max(1, Math.floor((numRows * valuesPerRow) / TASK_VALUES))
  return Math.min(numRows, worth, numHosts * ROW_TASKS_PER_HOST)
}

/** Returns how many parts of `numPairs` pairs of groups a product is cut into. */
export function countProductParts(
  numHosts: number,
  { groupBytes }: PlacedMatrix,
  numPairs: number,
  numRows: number,
): number {
  if (numHosts === 1) return 1
  // Many rows make up for few weights.
  const worth = Math.floor((numPairs * 2 * groupBytes * Math.max(1, numRows / 4)) / TASK_BYTES)
  return Math.max(1, Math.min(numPairs, worth, numHosts * PRODUCT_TASKS_PER_HOST))
}

/** Returns where part `part` begins when `total` is cut into `numParts`, and where the last ends for `part = numParts`. */
export function partStart(total: number, part: number, numParts: number): number {
  return Math.floor((total * part) / numParts)
}

/**
 * The same with parts that become smaller: taken in order, they keep every host busy to the end, and the long ones read long runs of memory.
 *
 * @see guided self-scheduling: Polychronopoulos & Kuck, IEEE Trans. Computers 1987
 */
export function guidedStart(total: number, part: number, numParts: number): number {
  const left = 1 - part / numParts
  return Math.floor(total * (1 - left * left))
}
