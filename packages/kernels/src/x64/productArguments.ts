/**
 * Arguments of a product, by their place in the record.
 *
 * `groupBytes`: from a group to the next; a gated pair is a group of gateProj and the same of upProj. `secondScales`, `secondBias`: of upProj, where gated.
 * A bias of 0 is none. `numColumns`: of x (f32) or padded (8 and 4 bits). `outColumns`: how many there are to write from `out` on; the last pair may be
 * partly outside. `expanded`: `productWorkBytes` of room.
 */
export const PRODUCT = {
  weights: 1,
  groupBytes: 2,
  numPairs: 3,
  x: 4,
  xStride: 5,
  numRows: 6,
  out: 7,
  outStride: 8,
  scales: 9,
  secondScales: 10,
  bias: 11,
  secondBias: 12,
  numColumns: 13,
  outColumns: 14,
  expanded: 15,
} as const

/** Bytes of room that a product wants: for a pair of groups in 8 bits, and for tiles' sums and buffers. */
export function productWorkBytes(paddedColumns: number): number {
  return 32 * paddedColumns + 8192
}
