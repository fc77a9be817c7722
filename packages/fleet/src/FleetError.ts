import { Data } from "effect"
import type { AttemptRecord } from "./AttemptRecord.ts"

/** Why the fleet did not answer a request, with all that was tried. */
export class FleetError extends Data.TaggedError("FleetError")<{
  readonly code:
    | "deadline"
    /** Everyone who may answer failed. */
    | "all-failed"
    /** Everyone who may answer is cooling down. */
    | "cooling-down"
    /** Everyone who may answer has too much to do. */
    | "busy"
    | "bad-request"
    | "no-image-expert"
    /** Everyone who may answer costs more than the request may. */
    | "over-budget"
    /** A budget of whoever asks is used up. */
    | "budget-exceeded"
  readonly message: string
  readonly attempts: readonly AttemptRecord[]
  readonly retryAfterMs?: number
}> {}
