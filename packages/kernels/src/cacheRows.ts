import type { CacheRows } from "./Arena.ts"
import { type CacheFormat, cacheValueBytes } from "./cacheFormat.ts"

/** Returns the view that rows, or rows of a cache, are: of numbers, or of words of two. */
export function cacheMemory(rows: CacheRows): Float32Array | Int32Array {
  return "words" in rows ? rows.words : rows.values
}

/** Returns what the rows' numbers are kept in. */
export function cacheFormatOf(rows: CacheRows): CacheFormat {
  return "words" in rows ? rows.format : "f32"
}

/** Bytes of one row. */
export function cacheRowBytes(rows: CacheRows): number {
  return rows.width * cacheValueBytes(cacheFormatOf(rows))
}

/** Copies rows to others of the same width and format, in the arena. Makes views: not for the step loop. */
export function copyCacheRows(to: CacheRows, toRow: number, from: CacheRows, fromRow: number, numRows: number): void {
  const length = cacheRowBytes(from) / 4
  cacheMemory(to).set(cacheMemory(from).subarray(fromRow * length, (fromRow + numRows) * length), toRow * length)
}
