/** One sequence's share of a step: rows for positions `firstPosition .. firstPosition + numRows` of its known ids. */
export interface StepEntry {
  readonly sequenceId: number
  readonly slotId: number
  readonly firstPosition: number
  readonly numRows: number
  /** The last row reaches the end of the known ids: its logits are sampled. */
  readonly isSampled: boolean
}

/** One forward pass over a mixed batch: decode rows first, then at most one prefill chunk. */
export interface StepPlan {
  readonly entries: readonly StepEntry[]
  readonly numRows: number
}
