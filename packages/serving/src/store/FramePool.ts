import type { Arena, Span } from "@consilium/kernels"

/** Memory for slabs: frames of one size, each for whichever expert needs it. What is given back stays for the next one. */
export interface FramePool {
  readonly frameBytes: number
  /** Returns a frame, a free one where there is one. @throws ArenaFullError */
  take(): Span
  give(frame: Span): void
  /** Gives the memory of free frames back to the system, but for `numKept` of them. */
  trim(numKept: number): void
}

/** Creates an empty pool. Frames begin on pages and are whole pages, so that they can be read into directly. */
export function createFramePool(arena: Arena, frameBytes: number): FramePool {
  const free: Span[] = []
  return {
    frameBytes,
    take: () => free.pop() ?? arena.allocate(frameBytes, "whole"),
    give: (frame) => void free.push(frame),
    trim(numKept) {
      while (free.length > numKept) arena.free(free.pop()!)
    },
  }
}
