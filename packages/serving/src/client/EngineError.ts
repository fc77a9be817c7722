import { Data } from "effect"

/** Why a request, or the engine itself, failed. `apps/api` maps each code to a status in one table. */
export class EngineError extends Data.TaggedError("EngineError")<{
  readonly code:
    "context-overflow" | "bad-request" | "queue-full" | "not-ready" | "draining" | "engine-failed" | "internal"
  readonly message: string
}> {}
