import { type Arena, createArena } from "@consilium/kernels"
import { createGpuBackend, type GpuBackend } from "../src/index.ts"

/** Returns why no adapter computes here; undefined where one does. Real or software, `VK_ICD_FILENAMES` says which. */
export function whyNoGpu(): string | undefined {
  const arena = createArena()
  try {
    const backend = createGpuBackend(arena)
    console.log(`gpu: tested on ${backend.adapter.name}`)
    backend.close()
    return undefined
  } catch (error) {
    console.log(`gpu: skipped, ${(error as Error).message}`)
    return (error as Error).message
  } finally {
    arena.close()
  }
}

/** Runs `body` with a backend on an arena of its own; closes both. */
export function withGpu<T>(body: (gpu: GpuBackend, arena: Arena) => T): T {
  const arena = createArena()
  const gpu = createGpuBackend(arena)
  try {
    return body(gpu, arena)
  } finally {
    gpu.close()
    arena.close()
  }
}
