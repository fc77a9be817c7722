import type { Arena, Span } from "@consilium/kernels"

/** Memory for slabs: frames of one size, each for whichever expert needs it. What is given back stays for the next one. */
export interface FramePool {
  readonly frameBytes: number
  /** Returns a frame of a memory domain, a free one where there is one. @throws ArenaFullError */
  take(domain: number): Span
  give(frame: Span): void
  /** Gives the memory of free frames back to the system, but for `numKept` of them. */
  trim(numKept: number): void
}

/**
 * Creates an empty pool. Frames begin on pages and are whole pages, so that they can be read into directly.
 *
 * A free frame of another domain gives its memory up for one that is new: there are never more frames than were in use at once.
 */
export function createFramePool(arena: Arena, frameBytes: number): FramePool {
  const free = Array.from({ length: arena.numDomains }, (): Span[] => [])
  let numFree = 0
  /** Gives a free frame's memory back to the system. */
  const drop = (): void => {
    numFree--
    arena.free(free.find((frames) => frames.length > 0)!.pop()!)
  }
  return {
    frameBytes,
    take(domain) {
      const frame = free[domain]!.pop()
      if (frame !== undefined) {
        numFree--
        return frame
      }
      if (numFree > 0) drop()
      return arena.allocate(frameBytes, "whole", domain)
    },
    give(frame) {
      numFree++
      free[arena.domainOf(frame)]!.push(frame)
    },
    trim(numKept) {
      for (let left = numFree - numKept; left > 0; left--) drop()
    },
  }
}
