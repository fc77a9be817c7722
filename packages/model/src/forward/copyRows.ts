import type { Backend, CacheRows, Rows } from "@consilium/kernels"
import { copyValues } from "./copyValues.ts"

/** Copies rows to others of the same width, where the backend keeps them. */
export function copyRows(
  { copyRows: copyThere }: Backend,
  to: Rows,
  toRow: number,
  from: Rows,
  fromRow: number,
  numRows: number,
): void {
  const { width } = to
  if (copyThere !== undefined) copyThere(to, toRow, from, fromRow, numRows)
  else copyValues(to.values, toRow * width, from.values, fromRow * width, numRows * width)
}

/** The same for rows of a cache, which are many: between steps, where views may be made. */
export function copyCacheRows(
  { copyRows: copyThere }: Backend,
  to: CacheRows,
  from: CacheRows,
  firstRow: number,
  numRows: number,
): void {
  if (copyThere !== undefined) return copyThere(to, firstRow, from, firstRow, numRows)
  const [target, source] = [memoryOf(to), memoryOf(from)]
  const length = "words" in from ? from.width / 2 : from.width
  target.set(source.subarray(firstRow * length, (firstRow + numRows) * length), firstRow * length)
}

function memoryOf(rows: CacheRows): Float32Array | Int32Array {
  return "words" in rows ? rows.words : rows.values
}
