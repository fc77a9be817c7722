import { findGpuAdapter } from "@consilium/gpu"

/** Returns why no adapter computes here, and says so; undefined where one does. */
export function whyNoGpu(): string | undefined {
  try {
    findGpuAdapter()
    return undefined
  } catch (error) {
    console.log(`gpu: skipped, ${(error as Error).message}`)
    return (error as Error).message
  }
}
