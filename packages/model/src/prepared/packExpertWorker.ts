/** A worker thread that packs a version of an expert, and says how it went. */
import { CheckpointError } from "../checkpoint/CheckpointError.ts"
import { PreparedModelError } from "./PreparedModelError.ts"
import { packExpert, type PackExpertOptions } from "./packExpert.ts"

declare const self: Worker

/** What the worker says: the version's name, or why there is none: what is wrong with the file, or with this machine. */
export type PackedExpert = { readonly version: string } | { readonly problem: string } | { readonly failure: string }

self.addEventListener("message", ({ data }: MessageEvent<PackExpertOptions>) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows
  const answer = (packed: PackedExpert): void => self.postMessage(packed)
  try {
    answer({ version: packExpert(data) })
  } catch (error) {
    const isTheirs = [CheckpointError, PreparedModelError, RangeError].some((kind) => error instanceof kind)
    answer(isTheirs ? { problem: (error as Error).message } : { failure: (error as Error).message })
  }
})
