import type { VectorBytes } from "./Assembler.ts"

/**
 * Keys of a block. Blocks begin at multiples of it, so what a query sums, and in which order, does not depend on the tile that it is computed in.
 */
export const BLOCK_KEYS = 64

/** Queries of a tile where heads have up to 128 values: as many as share a block of keys that was turned once. */
const MOST_QUERIES = 96
const MOST_TILE_VALUES = MOST_QUERIES * 128
/** A multiple of the queries that are multiplied together. */
const QUERY_STEP = 12

/**
 * Where things lie in a host's scratch memory while it attends a tile of queries; all in bytes.
 *
 * A query is one head at one position. What belongs to it lies together, `queryBytes` apart, an odd number of lines, so that a column of queries
 * spreads over all sets of the cache.
 */
export interface AttendTile {
  readonly headDim: number
  readonly vectorBytes: VectorBytes
  /** Keys and values are bf16 in pairs, as far apart as a vector has lanes. */
  readonly isPaired: boolean
  /** Bytes of a key or value in the cache. */
  readonly rowBytes: number
  readonly maxQueries: number

  readonly queryBytes: number
  /** Inside a query, behind its `headDim` values: the weighted sums of the values, `[headDim]`. */
  readonly sums: number
  /** Inside a query: scores of a block, then their exponentials, `[BLOCK_KEYS]`. */
  readonly scores: number
  /** Inside a query: its largest score so far, f32. */
  readonly maximum: number
  /** Inside a query: the sum of its exponentials so far, f32. */
  readonly total: number
  /** Inside a query: an integer of 64 bits. */
  readonly position: number

  /** How far memory was asked for ahead of its use, and where that ends: addresses. */
  readonly ahead: number
  readonly aheadEnd: number
  /** A block of keys, turned: `[headDim, BLOCK_KEYS]`. */
  readonly keys: number
  /** Of a cache in pairs: a block of values, widened for many queries, `[BLOCK_KEYS, headDim]`. */
  readonly widened: number
  /** Room for as many keys as a vector has lanes: the last ones of a cache, where there are too few to read a square. */
  readonly lastKeys: number
  /** The queries, `[maxQueries]`. */
  readonly queries: number
  readonly bytes: number
}

/** Plans the scratch memory of tiles of heads of `headDim` values. */
export function planAttendTile(headDim: number, vectorBytes: VectorBytes, isPaired: boolean): AttendTile {
  const paddedBytes = roundUp(headDim, 16) * 4
  const keyBytes = BLOCK_KEYS * headDim * 4
  const lastKeyBytes = roundUp((vectorBytes / 4) * headDim * 4, 64)
  const keys = 64
  const lastKeys = keys + keyBytes
  const widened = lastKeys + lastKeyBytes
  const queries = widened + (isPaired ? keyBytes : 0)
  const scores = 2 * paddedBytes
  const maximum = scores + BLOCK_KEYS * 4
  const queryBytes = maximum + 64
  const affordable = Math.floor(MOST_TILE_VALUES / headDim / QUERY_STEP) * QUERY_STEP
  const maxQueries = Math.max(QUERY_STEP, Math.min(MOST_QUERIES, affordable))
  return {
    headDim,
    vectorBytes,
    isPaired,
    rowBytes: headDim * (isPaired ? 2 : 4),
    maxQueries,
    queryBytes,
    sums: paddedBytes,
    scores,
    maximum,
    total: maximum + 4,
    position: maximum + 8,
    ahead: 0,
    aheadEnd: 8,
    keys,
    lastKeys,
    widened,
    queries,
    bytes: queries + maxQueries * queryBytes,
  }
}

function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple
}
