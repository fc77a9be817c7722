import { ptr } from "bun:ffi"
import { type BufferId, type GpuQueue, type KernelId, openGpuQueue } from "./GpuQueue.ts"
import { F32_CODE, F32_FLOPS_PER_TURN, INT8_CODE, INT8_OPS_PER_TURN, LIMIT_THREADS, READ_CODE } from "./limitKernels.ts"
import { sampleKernels } from "./sampleKernels.ts"

/** What a device can do at best, one sample a round. */
export interface GpuLimits {
  readonly readBytesPerSec: readonly number[]
  readonly f32FlopsPerSec: readonly number[]
  /** Multiplications and additions of 8-bit products. */
  readonly int8OpsPerSec: readonly number[]
}

/** Sizes of the work: a processor that stands in for a device would take minutes for a device's. */
const SIZES = {
  /** Larger than any cache; threads for every place that a device has, and turns until they have paid for their start. */
  device: { readBytes: 2 ** 29, readGroups: 2 ** 13, productGroups: 2 ** 12, turns: 1024 },
  software: { readBytes: 2 ** 22, readGroups: 2 ** 4, productGroups: 2 ** 2, turns: 64 },
} as const
const VECTOR_BYTES = 16

/** Measures the limits on the device, with nothing else on it; takes half a GiB of its memory and a second. @throws Error where there is no adapter */
export function measureGpuLimits(): GpuLimits {
  const queue = openGpuQueue({ timesKernels: true })
  try {
    const { isSoftware, maxBufferBytes } = queue.adapter
    const { readBytes, readGroups, productGroups, turns } = isSoftware ? SIZES.software : SIZES.device
    queue.begin()
    const out = queue.createBuffer(productGroups * LIMIT_THREADS * 4 + readGroups * 4)
    const productsPerSec = (code: string, opsPerTurn: number): number[] => {
      const kernel = queue.createKernel(code)
      const ops = opsPerTurn * turns * productGroups * LIMIT_THREADS
      return perSecond(ops, queue, () => queue.dispatch(kernel, [productGroups, 1], [turns, FACTOR], [out]))
    }
    const numBytes = Math.min(readBytes, 2 ** Math.floor(Math.log2(maxBufferBytes)))
    const read = queue.createKernel(READ_CODE)
    return {
      readBytesPerSec: perSecond(numBytes, queue, readAll(queue, read, out, numBytes, readGroups)),
      f32FlopsPerSec: productsPerSec(F32_CODE, F32_FLOPS_PER_TURN),
      int8OpsPerSec: productsPerSec(INT8_CODE, INT8_OPS_PER_TURN),
    }
  } finally {
    queue.close()
  }
}

/** Below one as an f32, so that sums stay finite; as bytes it changes sums from turn to turn. */
const FACTOR = 0x7f

function readAll(queue: GpuQueue, kernel: KernelId, out: BufferId, numBytes: number, numGroups: number): () => void {
  const from = queue.createBuffer(numBytes)
  // Memory that nobody has written may be no memory at all.
  const ones = new Uint8Array(numBytes).fill(1)
  queue.write(from, ptr(ones), numBytes)
  queue.run()
  const numThreads = numGroups * LIMIT_THREADS
  const count = numBytes / VECTOR_BYTES / numThreads
  return () => queue.dispatch(kernel, [numGroups, 1], [count, numThreads], [from, out])
}

function perSecond(amount: number, queue: GpuQueue, record: () => void): number[] {
  const run = (numRepeats: number): void => {
    for (let i = 0; i < numRepeats; i++) record()
    queue.run()
  }
  return sampleKernels(() => queue.kernelMs, run).map((ms) => (amount * 1000) / ms)
}
