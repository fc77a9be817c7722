/** One slot's rows in a batch: positions `pastLength .. pastLength + numRows` of its sequence. */
export interface BatchSlot {
  readonly slotId: number
  readonly firstRow: number
  readonly numRows: number
  readonly pastLength: number
  /** Computes the logits of the last row. */
  readonly wantsLogits: boolean
}

/** The input of one forward pass: rows of several sequences, one run of rows a slot. */
export interface StepBatch {
  readonly numRows: number
  /** Token ids, `[numRows]`; the buffer may be longer. */
  readonly ids: Int32Array
  readonly slots: readonly BatchSlot[]
  /** The largest of the logits suffice, where the backend finds them: `Transformer.shortlist` then has them, and `logits` nothing. */
  readonly wantsShortlists?: boolean
  /** Computes the logits of every row; for inspection, not for serving. */
  readonly wantsAllLogits?: boolean
}
