import { emitQuantizeRows, QUANTIZE_ROWS } from "./quantizeRowsKernel.ts"
import { quantizedRowBytes } from "./quantizedRows.ts"
import { runRowParts } from "./runRowParts.ts"
import type { X64Context } from "./X64Context.ts"

/** f32 rows that become 8 bits. */
export interface RowsToQuantize {
  readonly x: number
  readonly xStride: number
  readonly numColumns: number
  readonly paddedColumns: number
  readonly out: number
  readonly numRows: number
}

/** Returns the address of the kernel that quantises rows. */
export function quantizeKernel({ isa, kernels }: X64Context): number {
  return kernels.address("quantizeRows", () => emitQuantizeRows(isa))
}

/** Writes the record at `at` that quantises rows. */
export function writeQuantize(
  { hosts: { records } }: X64Context,
  at: number,
  code: number,
  rows: RowsToQuantize,
): void {
  records[at] = code
  records[at + QUANTIZE_ROWS.x] = rows.x
  records[at + QUANTIZE_ROWS.xStride] = rows.xStride
  records[at + QUANTIZE_ROWS.out] = rows.out
  records[at + QUANTIZE_ROWS.outStride] = quantizedRowBytes(rows.paddedColumns)
  records[at + QUANTIZE_ROWS.numRows] = rows.numRows
  records[at + QUANTIZE_ROWS.numColumns] = rows.numColumns
  records[at + QUANTIZE_ROWS.paddedColumns] = rows.paddedColumns
}

/** Quantises rows, cut over the hosts; they are there when it returns. */
export function quantizeActivations(context: X64Context, rows: RowsToQuantize): void {
  const { x, xStride, out, numRows, numColumns, paddedColumns } = rows
  const code = quantizeKernel(context)
  runRowParts(context, code, numRows, numColumns, (at, first, count) =>
    writeQuantize(context, at, code, {
      ...rows,
      x: x + first * xStride,
      out: out + first * quantizedRowBytes(paddedColumns),
      numRows: count,
    }),
  )
}
