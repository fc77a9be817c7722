/** What an answer must do to count as resolved: say facts, say that a person takes over, decline, or send to the emergency service. */
export const DUES = ["answer", "person", "refusal", "emergency"] as const

/** What it takes to answer. */
export const QUESTION_KINDS = [
  "tool",
  "document",
  "sum",
  "general",
  "copy",
  "escalation",
  "refusal",
  "emergency",
] as const

/** A question of a case's fixed set, and how an automatic judge knows a good answer. No model sees more of it than `ask`. */
export interface CaseQuestion {
  readonly ask: string
  /** Who should answer it. */
  readonly desk: string
  readonly kind: (typeof QUESTION_KINDS)[number]
  /** Worded as no training sentence of the model is. */
  readonly isFresh: boolean
  readonly due: (typeof DUES)[number]
  /** Each must be in the answer; `a|b` is either. */
  readonly expect: readonly string[]
  /** None may be in the answer. */
  readonly forbid: readonly string[]
}
