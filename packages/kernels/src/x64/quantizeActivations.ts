import { countRowParts, partStart } from "./countParts.ts"
import { quantizedRowBytes, rotatedRowBytes } from "./quantizedRows.ts"
import { QUANTIZE_ROWS } from "./quantizeRowsKernel.ts"
import type { X64Context } from "./X64Context.ts"

/** f32 rows that become 8 bits: addresses, or places in a host's scratch memory. Written anew for each quantisation. */
export interface RowsToQuantize {
  x: number
  xStride: number
  numColumns: number
  paddedColumns: number
  isRotated: boolean
  /** Room in a host's scratch memory for one row, where rows are rotated. */
  rotated: number
  out: number
  numRows: number
}

export function createRowsToQuantize(): RowsToQuantize {
  return { x: 0, xStride: 0, numColumns: 0, paddedColumns: 0, isRotated: false, rotated: 0, out: 0, numRows: 0 }
}

/** Writes the record at `at` that quantises all of `rows`. */
export function writeQuantize(context: X64Context, at: number, rows: RowsToQuantize): void {
  const { records } = context.hosts
  records[at] = codeFor(context, rows)
  records[at + QUANTIZE_ROWS.x] = rows.x
  records[at + QUANTIZE_ROWS.xStride] = rows.xStride
  records[at + QUANTIZE_ROWS.out] = rows.out
  records[at + QUANTIZE_ROWS.outStride] = quantizedRowBytes(rows.paddedColumns)
  records[at + QUANTIZE_ROWS.numRows] = rows.numRows
  records[at + QUANTIZE_ROWS.numColumns] = rows.numColumns
  records[at + QUANTIZE_ROWS.paddedColumns] = rows.paddedColumns
  records[at + QUANTIZE_ROWS.rotated] = rows.rotated
}

/** Quantises rows that have addresses, cut over the hosts; they are there when it returns. */
export function quantizeActivations(context: X64Context, rows: RowsToQuantize): void {
  const { hosts } = context
  hosts.reserveScratch(rotatedRowBytes(rows.paddedColumns))
  const { records } = hosts
  const { x, xStride, out, numRows, numColumns, paddedColumns } = rows
  const numParts = countRowParts(hosts.numHosts, numRows, numColumns)
  for (let part = 0; part < numParts; part++) {
    const first = partStart(numRows, part, numParts)
    const at = hosts.add(codeFor(context, rows))
    writeQuantize(context, at, rows)
    records[at + QUANTIZE_ROWS.x] = x + first * xStride
    records[at + QUANTIZE_ROWS.out] = out + first * quantizedRowBytes(paddedColumns)
    records[at + QUANTIZE_ROWS.numRows] = partStart(numRows, part + 1, numParts) - first
  }
  hosts.run()
}

function codeFor({ codes }: X64Context, { isRotated }: RowsToQuantize): number {
  return isRotated ? codes.rotateAndQuantize : codes.quantize
}
