import { createGpuBackend, type GpuBackend } from "@consilium/gpu"
import { createArena } from "@consilium/kernels"

/** Opens the GPU on an arena of its own; undefined, with the reason printed, where there is no adapter. */
export function openGpu(): GpuBackend | undefined {
  const arena = createArena()
  try {
    return createGpuBackend(arena)
  } catch (error) {
    arena.close()
    console.log(`gpu: skipped, ${(error as Error).message}`)
    return undefined
  }
}
