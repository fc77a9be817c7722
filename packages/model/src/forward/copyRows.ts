import type { Backend, Rows } from "@consilium/kernels"
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
