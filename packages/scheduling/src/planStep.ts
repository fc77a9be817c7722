import type { StepPlan } from "./StepPlan.ts"

/** A sequence that holds a slot. */
export interface SequenceState {
  /** Ids known so far: the prompt and what was generated. */
  readonly numKnown: number
  /** Positions whose state the slot holds; less than `numKnown`. */
  readonly numComputed: number
}

export interface StepBudget {
  /** Most rows of one step; at least the number of sequences. */
  readonly maxRows: number
  /** Most rows of prefill while others are decoding: what they are delayed by. */
  readonly maxChunkRows: number
}

/**
 * Plans one step of continuous batching: one row for every sequence that is decoding, then the rows that are left for prefills.
 *
 * The earliest prefill takes what it needs, but leaves half of the rows to the others while they need them: the shortest of them first. So a long
 * prompt does not keep short ones waiting, nor they it; and decoding is never starved by prefills, nor they by decoding.
 *
 * @param out written; has room for all sequences
 * @param sequences in order of arrival
 * @throws Error on more sequences than `maxRows`, one with nothing to compute, or chunks of no rows: they would wait for ever
 * @see Orca, OSDI 2022 §3.1; chunked prefill: Sarathi-Serve, arXiv:2403.02310 §4
 */
export function planStep(
  out: StepPlan,
  sequences: readonly SequenceState[],
  { maxRows, maxChunkRows }: StepBudget,
): void {
  if (maxChunkRows < 1) throw new Error(`maxChunkRows ${maxChunkRows}: a prefill needs at least one row`)
  if (sequences.length > maxRows)
    throw new Error(`${sequences.length} sequences exceed maxRows ${maxRows}: each needs a row`)

  out.numEntries = 0
  out.numRows = 0
  let earliest = -1
  let numWanted = 0
  for (let i = 0; i < sequences.length; i++) {
    const numLeft = rowsLeft(sequences[i]!)
    if (numLeft < 1) throw nothingToCompute(i, sequences[i]!)
    if (numLeft === 1) addEntry(out, sequences, i, 1)
    else {
      if (earliest < 0) earliest = i
      numWanted += numLeft
    }
  }
  out.numDecoding = out.numEntries
  if (earliest < 0) return

  let numFree = out.numDecoding === 0 ? maxRows : Math.min(maxChunkRows, maxRows - out.numDecoding)
  const ofEarliest = rowsLeft(sequences[earliest]!)
  const ofOthers = numWanted - ofEarliest
  const share = Math.max(Math.ceil(numFree / 2), numFree - ofOthers)
  numFree -= addEntry(out, sequences, earliest, Math.min(ofEarliest, share))
  let last = -1
  while (numFree > 0) {
    last = nextShortest(sequences, earliest, last)
    if (last < 0) return
    numFree -= addEntry(out, sequences, last, Math.min(rowsLeft(sequences[last]!), numFree))
  }
}

function rowsLeft({ numKnown, numComputed }: SequenceState): number {
  return numKnown - numComputed
}

/** Returns the prefill that follows `last` in the order of rows left, then arrival; -1 after the last. */
function nextShortest(sequences: readonly SequenceState[], earliest: number, last: number): number {
  const least = last < 0 ? 0 : rowsLeft(sequences[last]!)
  let next = -1
  for (let i = earliest + 1; i < sequences.length; i++) {
    const numLeft = rowsLeft(sequences[i]!)
    const isAfter = numLeft > least || (numLeft === least && i > last)
    if (numLeft > 1 && isAfter && (next < 0 || numLeft < rowsLeft(sequences[next]!))) next = i
  }
  return next
}

function addEntry(out: StepPlan, sequences: readonly SequenceState[], index: number, numRows: number): number {
  const { numKnown, numComputed } = sequences[index]!
  const entry = out.entries[out.numEntries++]!
  entry.index = index
  entry.firstPosition = numComputed
  entry.numRows = numRows
  entry.isSampled = numComputed + numRows === numKnown
  out.numRows += numRows
  return numRows
}

function nothingToCompute(index: number, { numKnown, numComputed }: SequenceState): Error {
  return new Error(`sequence ${index} has nothing to compute: ${numComputed} of ${numKnown} positions are`)
}
