import type { Arena, Rows, Span } from "../Arena.ts"
import type { Assembler } from "./Assembler.ts"
import type { HostPool } from "./HostPool.ts"
import type { Isa } from "./Isa.ts"
import type { KernelCache } from "./KernelCache.ts"
import type { RowKernels } from "./placeRowKernels.ts"

/** What the operations of the x64 backend share. */
export interface X64Context {
  readonly arena: Arena
  readonly isa: Isa
  readonly kernels: KernelCache
  readonly codes: RowKernels
  readonly hosts: HostPool
  /** What products are written with. */
  createAssembler(): Assembler
}

/** Memory that grows to the largest call seen, and keeps its place between calls. */
export interface GrowingMemory {
  /** Returns the address of at least `bytes`; what it held is lost when it grows. */
  address(bytes: number): number
  /** The same as a view of 32-bit words, made when it grows. */
  words(): Int32Array
  free(): void
}

/** f32 rows in memory, one behind the other. Written anew by each call. */
export interface PlacedRows {
  address: number
  width: number
}

export function createPlacedRows(): PlacedRows {
  return { address: 0, width: 0 }
}

/** Writes where rows from `firstRow` on are; returns `to`. */
export function placeRows(to: PlacedRows, { arena }: X64Context, rows: Rows, firstRow = 0): PlacedRows {
  to.address = arena.address(rows.span) + firstRow * rows.width * 4
  to.width = rows.width
  return to
}

/** Creates memory that is allocated with its first use. */
export function createGrowingMemory(arena: Arena): GrowingMemory {
  let span: Span | undefined
  let words: Int32Array = new Int32Array()
  const free = (): void => {
    if (span !== undefined) arena.free(span)
    span = undefined
    words = new Int32Array()
  }
  return {
    address(bytes) {
      if (span === undefined || span.bytes < bytes) {
        free()
        span = arena.allocate(Math.ceil(bytes / 4096) * 4096)
        const view = arena.bytes(span)
        words = new Int32Array(view.buffer, view.byteOffset, view.length / 4)
      }
      return arena.address(span)
    },
    words: () => words,
    free,
  }
}
