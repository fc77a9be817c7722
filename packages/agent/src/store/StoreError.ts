import { Data } from "effect"

/** A file of ours cannot be opened, read or written; what it kept before is as it was, unless the words say otherwise. */
export class StoreError extends Data.TaggedError("StoreError")<{
  readonly message: string
  /** SQLite's own error, where there is one. */
  readonly cause: unknown
}> {}
