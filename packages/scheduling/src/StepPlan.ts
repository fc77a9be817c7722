/** One sequence's share of a step: rows for positions `firstPosition .. firstPosition + numRows` of its known ids. */
export interface StepEntry {
  /** Which of the planned sequences it is. */
  index: number
  firstPosition: number
  numRows: number
  /** The last row reaches the end of the known ids: its logits are sampled. */
  isSampled: boolean
}

/** One forward pass over a mixed batch: decode rows first, then prefill chunks. `planStep` writes it anew for each step. */
export interface StepPlan {
  /** The first `numEntries` count; the others are left over from earlier steps. */
  readonly entries: readonly StepEntry[]
  numEntries: number
  /** How many entries, the first ones, are decoding. */
  numDecoding: number
  numRows: number
}

/** @param maxEntries most sequences of a step */
export function createStepPlan(maxEntries: number): StepPlan {
  const entries = Array.from({ length: maxEntries }, () => ({
    index: 0,
    firstPosition: 0,
    numRows: 0,
    isSampled: false,
  }))
  return { entries, numEntries: 0, numDecoding: 0, numRows: 0 }
}
