import type { Generate, RoutingTrace } from "../protocol.ts"

/** A request inside the engine. Plain data that `submit`, `planStep` and `applyStep` change. */
export interface Sequence {
  readonly sequenceId: number
  readonly request: Generate
  /** Everything known: prompt, and what was generated. */
  readonly ids: number[]
  /** Prompt without what an earlier engine had generated. */
  readonly numPrompt: number
  /** Undefined while it waits. */
  slotId: number | undefined
  /** Positions whose state its slot holds. */
  numComputed: number
  /** Positions that it did not have to compute. */
  numCached: number
  readonly submittedMs: number
  startedMs: number
  firstTokenMs: number
  /** Routing that has not been sent yet. */
  trace: RoutingTrace | undefined
}

/** Creates a waiting sequence. */
export function createSequence(sequenceId: number, request: Generate, nowMs: number): Sequence {
  return {
    sequenceId,
    request,
    ids: [...request.ids],
    numPrompt: request.ids.length - request.resumeFrom,
    slotId: undefined,
    numComputed: 0,
    numCached: 0,
    submittedMs: nowMs,
    startedMs: nowMs,
    firstTokenMs: nowMs,
    trace: undefined,
  }
}

/** How many ids have been generated, by this engine and those before it. */
export function numGenerated({ ids, numPrompt }: Sequence): number {
  return ids.length - numPrompt
}
