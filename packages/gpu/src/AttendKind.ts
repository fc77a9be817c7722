import type { CacheFormat } from "@consilium/kernels"

/** How the work of attention's kernel is cut: for a few queries that read much, for many, and for heads of more than 32 vectors. */
export const SHAPES = {
  few: { tile: 8, chunk: 8, numParts: 4, numQueries: 8 },
  many: { tile: 16, chunk: 4, numParts: 1, numQueries: 4 },
  wide: { tile: 8, chunk: 8, numParts: 1, numQueries: 8 },
} as const satisfies Record<string, AttendShape>

export interface AttendShape {
  /** Queries that share loads of keys and values. */
  readonly tile: number
  /** Vectors of each key that shared memory holds at a time: it is 16 KiB. */
  readonly chunk: number
  /** Threads that share a column's block of values. */
  readonly numParts: 1 | typeof PARTS
  /** Queries whose values a thread sums. */
  readonly numQueries: number
}

/** What the code is generated from. */
export interface AttendKind {
  readonly shape: keyof typeof SHAPES
  /** Values of queries that are read at once: they divide the head. */
  readonly vector: 4 | 2 | 1
  readonly cacheFormat: CacheFormat
}

/** Positions of a block. */
export const BLOCK = 64
export const THREADS = 128
/** A block's weighed values are summed in so many parts. */
export const PARTS = 4
/** Threads that share a query's softmax. */
export const LANES = 8

/** Returns the kind for so many queries of one key head. */
export function attendKindFor(numQueries: number, headDim: number, cacheFormat: CacheFormat): AttendKind {
  const vector = headDim % 4 === 0 ? 4 : headDim % 2 === 0 ? 2 : 1
  const isWide = headDim / vector > THREADS / PARTS
  return { shape: isWide ? "wide" : numQueries <= SHAPES.few.tile ? "few" : "many", vector, cacheFormat }
}

/** Returns how many queries of one key head a workgroup takes. */
export function tileOf({ shape }: AttendKind): number {
  return SHAPES[shape].tile
}

/** Returns how many workgroups share the columns of a head's values; each computes the scores for itself. */
export function numColumnGroups({ vector }: AttendKind, headDim: number): number {
  return Math.ceil(headDim / vector / THREADS)
}
