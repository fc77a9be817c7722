import { ptr } from "bun:ffi"
import type { BufferId, GpuQueue } from "./GpuQueue.ts"

/** Vectors that never change: norms' weights, angles of rotary embeddings, gates. */
export interface GpuConstants {
  /** Returns a buffer that holds the values. They go to the device once, as long as it is not lost; an array is known by its identity. */
  take(values: Float32Array): BufferId
  /** Bytes that it holds on the device. */
  readonly bytes: number
}

/** A buffer whose array nobody holds any more. */
interface Orphan {
  readonly buffer: BufferId
  readonly generation: number
  readonly bytes: number
}

/** Creates constants without any buffer yet. The buffer of an array that was collected is given back when another is taken. */
export function createGpuConstants(queue: GpuQueue): GpuConstants {
  const orphans: Orphan[] = []
  const collected = new FinalizationRegistry<Orphan>((orphan) => void orphans.push(orphan))
  let known = new WeakMap<Float32Array, BufferId>()
  let [generation, bytes] = [0, 0]
  const forgetLost = (): void => {
    if (generation === queue.generation) return
    known = new WeakMap()
    ;[generation, bytes] = [queue.generation, 0]
  }
  const giveBack = (): void => {
    for (const orphan of orphans.splice(0)) {
      if (orphan.generation !== generation) continue
      queue.destroyBuffer(orphan.buffer)
      bytes -= orphan.bytes
    }
  }
  return {
    take(values) {
      forgetLost()
      const held = known.get(values)
      if (held !== undefined) return held
      giveBack()
      const { byteLength } = values
      const buffer = queue.createBuffer(byteLength)
      queue.write(buffer, ptr(values), byteLength)
      known.set(values, buffer)
      collected.register(values, { buffer, generation, bytes: byteLength })
      bytes += byteLength
      return buffer
    },
    get bytes() {
      forgetLost()
      return bytes
    },
  }
}
