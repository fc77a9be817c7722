import {
  type Arena,
  type Backend,
  bestIsa,
  createReferenceBackend,
  createX64Backend,
  runnableIsas,
} from "@consilium/kernels"
import { createOnnxBackend } from "@consilium/onnx"

/** Every backend that a suite can be asked for, fastest first. */
export const BACKENDS = ["x64", "onnx", "reference"] as const

export type BenchedBackend = (typeof BACKENDS)[number]

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
  }
}
