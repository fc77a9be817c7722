import type { BufferId, GpuQueue } from "./GpuQueue.ts"

/** What a call keeps on the device between its kernels. */
export type ScratchName =
  | "wide"
  | "rows"
  | "scales"
  | "routerRows"
  | "routerScales"
  | "lookUp"
  | "inner"
  | "innerRows"
  | "innerScales"
  | "tiles"
  | "factors"
  | "blockValues"
  | "blockSums"
  | "copied"
  | "outputRows"
  | "routing"
  | "outputs"
  | "shared"
  | "candidates"
  | "otherCandidates"

export interface GpuScratch {
  /** Returns a buffer of at least so many bytes: the one of the last call, or a larger one in its place. */
  take(name: ScratchName, bytes: number): BufferId
  /** Bytes that it holds on the device. */
  readonly bytes: number
  /** Gives all buffers back. */
  close(): void
}

/** Creates scratch without any buffer yet. One of a device that is gone is made anew. */
export function createGpuScratch(queue: GpuQueue): GpuScratch {
  const buffers = new Map<
    ScratchName,
    { readonly buffer: BufferId; readonly bytes: number; readonly generation: number }
  >()
  const held = () => [...buffers.values()].filter(({ generation }) => generation === queue.generation)
  return {
    take(name, wanted) {
      const known = buffers.get(name)
      const isHeld = known?.generation === queue.generation
      if (known !== undefined && isHeld && known.bytes >= wanted) return known.buffer
      if (known !== undefined && isHeld) queue.destroyBuffer(known.buffer)
      // Powers of two: batches that grow row by row do not make a buffer each time.
      const bytes = 2 ** Math.ceil(Math.log2(Math.max(wanted, 256)))
      const buffer = queue.createBuffer(bytes)
      buffers.set(name, { buffer, bytes, generation: queue.generation })
      return buffer
    },
    get bytes() {
      return held().reduce((sum, { bytes }) => sum + bytes, 0)
    },
    close() {
      for (const { buffer } of held()) queue.destroyBuffer(buffer)
      buffers.clear()
    },
  }
}
