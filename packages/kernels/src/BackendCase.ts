import { noise } from "@consilium/tensor"
import type { Arena, CacheRows, Rows } from "./Arena.ts"
import type { Backend, Op } from "./Backend.ts"
import type { CacheFormat } from "./cacheFormat.ts"
import type { Format } from "./SlabLayout.ts"

/** Something small to compute. */
export interface BackendCase {
  readonly name: string
  /** What it asks the backend for. */
  readonly op: Op
  readonly format: Format
  /** Largest difference from the reference in the same format, as a share of the largest value. */
  readonly bound: number
  /** Computes it; frees what it took, also on a throw. Undefined where the backend does not support the operation on the format. */
  run(backend: Backend): Float32Array | undefined
}

/** What rows hold that a case must not write: a stray write shows as a difference. */
const UNTOUCHED = 0.25

/** Rows of a case: `take` gives them, `takeNoise` fills them with seeded noise. */
export interface CaseRows {
  take(numRows: number, width: number): Rows
  takeNoise(numRows: number, width: number, seed: number): Rows
  /** Zeroed rows of a cache. */
  takeCache(format: CacheFormat, numRows: number, width: number): CacheRows
}

/** Runs `body` and frees the rows that it took, also on a throw. Taken rows hold `UNTOUCHED` until they are written. */
export function withCaseRows<T>(arena: Arena, body: (rows: CaseRows) => T): T {
  const taken: CacheRows[] = []
  const take = (numRows: number, width: number): Rows => {
    const rows = arena.rows(numRows, width)
    taken.push(rows)
    rows.values.fill(UNTOUCHED)
    return rows
  }
  const takeNoise = (numRows: number, width: number, seed: number): Rows => {
    const rows = take(numRows, width)
    rows.values.set(noise(numRows * width, seed, 1))
    return rows
  }
  const takeCache = (format: CacheFormat, numRows: number, width: number): CacheRows => {
    const rows = arena.cacheRows(format, numRows, width)
    taken.push(rows)
    return rows
  }
  try {
    return body({ take, takeNoise, takeCache })
  } finally {
    for (const { span } of taken) arena.free(span)
  }
}
