/**
 * Arguments of attention, by their place in the record.
 *
 * `queries`, `out`: of the tile's first position and head; strides from a position to the next. `keys`, `values`: of the key head, at position 0.
 * `numPositions` times `numHeads`: at most the tile's `maxQueries`. `window`: how many positions a query sees, its own included.
 */
export const ATTEND = {
  queries: 1,
  queryStride: 2,
  out: 3,
  outStride: 4,
  keys: 5,
  values: 6,
  position: 7,
  numPositions: 8,
  numHeads: 9,
  window: 10,
  scale: 11,
} as const
