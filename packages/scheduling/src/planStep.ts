import type { StepEntry, StepPlan } from "./StepPlan.ts"

/** A sequence that holds a slot. */
export interface SequenceState {
  readonly sequenceId: number
  readonly slotId: number
  /** Ids known so far: the prompt and what was generated. */
  readonly numKnown: number
  /** Positions whose state the slot holds; less than `numKnown`. */
  readonly numComputed: number
}

export interface StepBudget {
  /** Most rows of one step; at least the number of slots. */
  readonly maxRows: number
  /** Most rows of the prefill chunk, while others are decoding: what they may be delayed by. */
  readonly maxChunkRows: number
}

/**
 * Plans one step of continuous batching: one row for every sequence that is decoding, then one chunk of the earliest prefill.
 *
 * Decoding is never starved by a prefill, nor a prefill by decoding: the chunk takes what rows are left, at least one.
 *
 * @param sequences in order of arrival
 * @throws Error on more sequences than `maxRows`, one with nothing to compute, or chunks of no rows: they would wait for ever
 * @see Orca, OSDI 2022 §3.1; chunked prefill: Sarathi-Serve, arXiv:2403.02310 §4
 */
export function planStep(sequences: readonly SequenceState[], { maxRows, maxChunkRows }: StepBudget): StepPlan {
  checkInput(sequences, { maxRows, maxChunkRows })
  const entries: StepEntry[] = []
  for (const sequence of sequences) {
    if (sequence.numKnown - sequence.numComputed === 1) entries.push(entryOf(sequence, 1))
  }
  const numDecoding = entries.length
  const prefill = sequences.find(({ numKnown, numComputed }) => numKnown - numComputed > 1)
  if (prefill === undefined) return { entries, numRows: numDecoding }

  const mostRows = numDecoding === 0 ? maxRows : Math.min(maxChunkRows, maxRows - numDecoding)
  const numRows = Math.min(prefill.numKnown - prefill.numComputed, mostRows)
  entries.push(entryOf(prefill, numRows))
  return { entries, numRows: numDecoding + numRows }
}

function checkInput(sequences: readonly SequenceState[], { maxRows, maxChunkRows }: StepBudget): void {
  if (maxChunkRows < 1) throw new Error(`maxChunkRows ${maxChunkRows}: a prefill needs at least one row`)
  if (sequences.length > maxRows)
    throw new Error(`${sequences.length} sequences exceed maxRows ${maxRows}: each needs a row`)
  for (const { sequenceId, numKnown, numComputed } of sequences) {
    if (numComputed < numKnown) continue
    throw new Error(`sequence ${sequenceId} has nothing to compute: ${numComputed} of ${numKnown} positions are`)
  }
}

function entryOf({ sequenceId, slotId, numKnown, numComputed }: SequenceState, numRows: number): StepEntry {
  return { sequenceId, slotId, firstPosition: numComputed, numRows, isSampled: numComputed + numRows === numKnown }
}
