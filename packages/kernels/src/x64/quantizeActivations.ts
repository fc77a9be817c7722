import { emitQuantizeRows, QUANTIZE_ROWS } from "./quantizeRowsKernel.ts"
import { quantizedRowBytes } from "./quantizedRows.ts"
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

/** Least values that are worth a task of their own. */
const TASK_VALUES = 1 << 15

/** Writes the record at `at` that quantises rows. */
export function writeQuantize(context: X64Context, at: number, rows: RowsToQuantize): void {
  const { records } = context.hosts
  records[at] = quantizeKernel(context)
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
  const { hosts } = context
  const { numRows, numColumns, paddedColumns } = rows
  const numTasks = Math.max(1, Math.min(numRows, hosts.numHosts * 4, Math.floor((numRows * numColumns) / TASK_VALUES)))
  const code = quantizeKernel(context)
  for (let task = 0; task < numTasks; task++) {
    const first = Math.floor((numRows * task) / numTasks)
    const end = Math.floor((numRows * (task + 1)) / numTasks)
    writeQuantize(context, hosts.add(code), {
      ...rows,
      x: rows.x + first * rows.xStride,
      out: rows.out + first * quantizedRowBytes(paddedColumns),
      numRows: end - first,
    })
  }
  hosts.run()
}

function quantizeKernel({ isa, kernels }: X64Context): number {
  return kernels.address("quantizeRows", () => emitQuantizeRows(isa))
}
