import { ptr } from "bun:ffi"
import type { BufferId, GpuQueue } from "./GpuQueue.ts"

/** Vectors that never change: norms' weights, angles of rotary embeddings, gates. */
export interface GpuConstants {
  /** Returns a buffer that holds the values. They go to the device once, as long as it is not lost; an array is known by its identity. */
  take(values: Float32Array): BufferId
  /** Bytes that it holds on the device. */
  readonly bytes: number
}

/** Creates constants without any buffer yet. Buffers stay until the device is closed or lost, as the model's vectors do. */
export function createGpuConstants(queue: GpuQueue): GpuConstants {
  let known = new WeakMap<Float32Array, BufferId>()
  let [generation, bytes] = [0, 0]
  const forgetLost = (): void => {
    if (generation === queue.generation) return
    known = new WeakMap()
    ;[generation, bytes] = [queue.generation, 0]
  }
  return {
    take(values) {
      forgetLost()
      const buffer = known.get(values) ?? queue.createBuffer(values.byteLength)
      if (known.has(values)) return buffer
      queue.write(buffer, ptr(values), values.byteLength)
      known.set(values, buffer)
      bytes += values.byteLength
      return buffer
    },
    get bytes() {
      forgetLost()
      return bytes
    },
  }
}
