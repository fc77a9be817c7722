import type { TokenCounts } from "@consilium/cost"
import type { FailureKind } from "./ExpertFailure.ts"

/** One attempt at one expert. Tokens are as it tells them, estimated where it tells none. */
export interface AttemptRecord extends TokenCounts {
  readonly expert: string
  readonly outcome: "answered" | FailureKind | "interrupted"
  readonly ms: number
  /** To its first text. */
  readonly ttftMs?: number
  readonly message?: string
  readonly costUsd: number
}
