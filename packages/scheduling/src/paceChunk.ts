import type { StepBudget } from "./planStep.ts"

/** How long recent steps took. */
export interface StepPace {
  /** Rows of prefill in the step that was just measured, beside decoding ones. */
  readonly chunkRows: number
  /** How long it took. */
  readonly stepMs: number
  /** How long a step takes that only decodes. */
  readonly decodeMs: number
}

/** A stream that halts for this long still reads as flowing: twenty tokens a second. */
const SMOOTH_MS = 50
/** Where decoding itself is slow, a prefill may slow it down this much. */
const MOST_SLOWDOWN = 4
/** Fewer rows would hardly be faster: already these reach nearly all experts, whose weights are most of a chunk's cost. */
export const LEAST_CHUNK_ROWS = 128
/** How fast the rows may change. */
const MOST_GROWTH = 1.5
const MOST_CUT = 0.5

/**
 * Returns how many rows of prefill the next mixed step may have, so that it takes 50 ms, or four steps that only decode where that is longer.
 *
 * It asks for no model of the machine: rows follow the ratio of what a step was allowed to what it took.
 */
export function paceChunk({ maxRows, maxChunkRows }: StepBudget, { chunkRows, stepMs, decodeMs }: StepPace): number {
  const allowedMs = Math.max(SMOOTH_MS, MOST_SLOWDOWN * decodeMs)
  const ratio = Math.min(MOST_GROWTH, Math.max(MOST_CUT, allowedMs / stepMs))
  // A chunk that was smaller than it might have been says nothing of larger ones; a much smaller one nothing at all.
  if (chunkRows < (ratio > 1 ? maxChunkRows : maxChunkRows / 2)) return maxChunkRows
  return Math.min(maxRows, Math.max(LEAST_CHUNK_ROWS, Math.floor(chunkRows * ratio)))
}
