/** A worker thread that packs a version of an expert, and says how it went. */
import { packExpert, type PackExpertOptions } from "./packExpert.ts"

declare const self: Worker

/** What the worker says: the version's name, or why there is none. */
export type PackedExpert = { readonly version: string } | { readonly problem: string }

self.addEventListener("message", ({ data }: MessageEvent<PackExpertOptions>) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows
  const answer = (packed: PackedExpert): void => self.postMessage(packed)
  try {
    answer({ version: packExpert(data) })
  } catch (error) {
    answer({ problem: (error as Error).message })
  }
})
