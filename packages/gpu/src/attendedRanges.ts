import type { AttentionLayer, CacheRows, Rows, SlotRows } from "@consilium/kernels"

/** A run of rows. */
export interface RowRange {
  readonly rows: CacheRows
  readonly firstRow: number
  readonly numRows: number
}

/** Returns what `attend` writes of one slot: its rows, and their keys and values. */
export function attendedRanges(
  out: Rows,
  qkv: Rows,
  { firstRow, numRows, keys, values, capacity, pastLength }: SlotRows,
  { numKvHeads }: AttentionLayer,
): RowRange[] {
  const ranges: RowRange[] = [out, qkv].map((rows) => ({ rows, firstRow, numRows }))
  for (let head = 0; head < numKvHeads; head++) {
    const from = head * capacity + pastLength
    for (const rows of [keys, values]) ranges.push({ rows, firstRow: from, numRows })
  }
  return ranges
}
