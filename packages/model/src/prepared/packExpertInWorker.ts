import { PreparedModelError } from "./PreparedModelError.ts"
import type { PackExpertOptions } from "./packExpert.ts"
import type { PackedExpert } from "./packExpertWorker.ts"

/** Packs a version of an expert on a thread of its own; rejects with PreparedModelError in one line where the file is wrong, and with Error where the disk is. @see packExpert */
export async function packExpertInWorker(options: PackExpertOptions): Promise<string> {
  const worker = new Worker(new URL("./packExpertWorker.ts", import.meta.url).href)
  try {
    const packed = await new Promise<PackedExpert>((resolve) => {
      worker.addEventListener("message", ({ data }: MessageEvent<PackedExpert>) => resolve(data))
      worker.addEventListener("error", ({ message }) => resolve({ failure: message }))
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows
      worker.postMessage(options)
    })
    if ("version" in packed) return packed.version
    throw "problem" in packed ? new PreparedModelError(packed.problem) : new Error(packed.failure)
  } finally {
    worker.terminate()
  }
}
