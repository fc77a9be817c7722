import type { CacheFormat } from "./cacheFormat.ts"

/** A run of bytes in the arena. Above `kernels`, memory is named by spans only. */
export interface Span {
  readonly segment: number
  readonly offset: number
  readonly bytes: number
}

/**
 * A row-major f32 matrix in the arena: activations `[T, width]`.
 *
 * `values` is a view of exactly `span`; it is made once, so that a step allocates nothing. Rows are dense: row `t` begins at `t * width`.
 */
export interface Rows {
  readonly span: Span
  readonly values: Float32Array
  readonly width: number
}

/** Keys or values of a slot: rows of `width` values, one for each key head and position. */
export type CacheRows = Rows | PairRows

/** Cache rows in bf16: words of two values each, rows dense. @see CacheFormat */
interface PairRows {
  readonly span: Span
  readonly words: Int32Array
  readonly width: number
  readonly format: Exclude<CacheFormat, "f32">
}

/** How a span fills: `whole` is written as one, as a slab is, and lies in large pages where the system has them; `sparse` fills bit by bit, or not at all. */
export type SpanUse = "whole" | "sparse"

/** Memory outside the JavaScript heap, in segments of at most 2 GiB. No span crosses a segment. */
export interface Arena {
  /** Bytes handed out and not yet freed, each span rounded up to 64. */
  readonly usedBytes: number
  /** Memory domains, at least one: NUMA nodes, or segments that stand for such. */
  readonly numDomains: number
  /**
   * Returns a zeroed span, aligned to 64 bytes (to 4096 for spans of a page and more), in a domain where one is given; else wherever the system puts it.
   *
   * @param use `sparse` unless given
   * @throws ArenaFullError when `limitBytes`, which is for all domains together, would be passed
   */
  allocate(bytes: number, use?: SpanUse, domain?: number): Span
  /** Returns the domain that a span was asked for in; 0 where in none. */
  domainOf(span: Span): number
  /** Gives a span back; its pages go back to the system. @throws Error on a span that is not allocated */
  free(span: Span): void
  /** Returns a view of a span's bytes. Allocates a view object: not for the step loop. */
  bytes(span: Span): Uint8Array
  /** Returns where a span begins in this process's memory: for backends that hand it to machine code, nobody else. */
  address(span: Span): number
  /** Allocates zeroed rows `[numRows, width]`. */
  rows(numRows: number, width: number): Rows
  /** Allocates zeroed cache rows `[numRows, width]`. */
  cacheRows(format: CacheFormat, numRows: number, width: number): CacheRows
  /** Releases all segments. Views of them have length 0 afterwards (on Linux); native code that holds an address must have ended. */
  close(): void
}
