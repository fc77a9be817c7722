/**
 * Arguments of a product, by their place in the record.
 *
 * `groupBytes`: from a group to the next; a gated pair is a group of gateProj and the same of upProj. `secondScales`, `secondBias`: of upProj, where gated.
 * A bias of 0 is none. `numColumns`: of x (f32) or padded (8 and 4 bits). `outColumns`: how many there are to write from `out` on; the last pair may be
 * partly outside. `expanded`: room for a pair in 8 bits, 32 · numColumns bytes, where 4-bit weights meet many rows.
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
