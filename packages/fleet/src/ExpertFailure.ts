import { Data } from "effect"

/** What went wrong with one attempt at one expert. */
export type FailureKind =
  /** Nobody listens there, or the connection broke before an answer began. */
  | "refused"
  /** Nothing was said for too long. */
  | "timeout"
  /** It says that it failed. */
  | "server-error"
  /** It has too much to do: it says so, or its queue is full. */
  | "rate-limited"
  /** Our key does not open it, or its address is wrong: a matter of settings. */
  | "misconfigured"
  /** It refuses this request. */
  | "bad-request"
  /** The stream ended before the answer did. */
  | "cut-stream"
  /** What it says is no answer. */
  | "bad-answer"
  /** A local model that has no room in memory now, or is not served. */
  | "unavailable"

/** Why an expert did not answer. */
export class ExpertFailure extends Data.TaggedError("ExpertFailure")<{
  readonly kind: FailureKind
  readonly message: string
  /** It asked to be left alone for so long. */
  readonly retryAfterMs?: number
}> {}

/** Whether a failure says something about the expert's health; the others are about this request, or about load. */
export function countsAgainst(kind: FailureKind): boolean {
  return kind !== "rate-limited" && kind !== "bad-request" && kind !== "unavailable"
}
