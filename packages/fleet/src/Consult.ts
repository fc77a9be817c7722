export const CONSULT_KINDS = ["best-of", "vote", "synthesis"] as const
export type ConsultKind = (typeof CONSULT_KINDS)[number]

/** Several experts are asked, and one answer is made of theirs. */
export interface Consult {
  readonly kind: ConsultKind
  /** 2 to 4. */
  readonly numExperts: number
}
