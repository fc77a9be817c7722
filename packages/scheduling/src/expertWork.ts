/** Rows whose computing takes as long as reading the weights from memory: 24 to 53 by the figures of machine code in 8 bits, VNNI and AMX (DESIGN.md §5). */
const ROWS_PER_READ = 32

/** Returns what an expert costs in a step, in rows: its own, and the reading of its weights, once. */
export function expertWork(numRows: number): number {
  return numRows > 0 ? ROWS_PER_READ + numRows : 0
}
