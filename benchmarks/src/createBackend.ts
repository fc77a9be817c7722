import {
  type Arena,
  type Backend,
  bestIsa,
  createReferenceBackend,
  createX64Backend,
  runnableIsas,
} from "@consilium/kernels"
import { createGpuBackend } from "@consilium/gpu"
import { createOnnxBackend } from "@consilium/onnx"

/** The processor's backends, fastest first: every suite that takes one can be asked for them. */
export const BACKENDS = ["x64", "onnx", "reference"] as const
/** The backend on a device of its own, for suites that run there. */
export const GPU = "gpu"

export type BenchedBackend = (typeof BACKENDS)[number] | typeof GPU

/** Returns the backends that run on this machine, fastest first. */
export function runnableBackends(): readonly [BenchedBackend, ...BenchedBackend[]] {
  return runnableIsas().length > 0 ? BACKENDS : ["onnx", "reference"]
}

/**
 * Creates one backend by itself: what it does not support throws instead of going to the next, so that a figure is never another's.
 *
 * @param numThreads of each product
 */
export function createBackend(name: BenchedBackend, arena: Arena, numThreads: number): Backend {
  switch (name) {
    case "x64":
      return createX64Backend(arena, { isa: bestIsa(), numThreads })
    case "onnx":
      return createOnnxBackend(arena, { numThreads })
    case "reference":
      return createReferenceBackend(arena)
    case GPU:
      return createGpuBackend(arena)
  }
}
