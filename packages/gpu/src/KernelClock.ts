/** Counts how long a device runs kernels, the way there and back aside. */
export interface KernelClock {
  /** Returns what the next pass of kernels is begun with. @throws Error past the passes that one run may have */
  nextPass(): GPUComputePassDescriptor
  /** Hears that a submission follows. */
  beforeSubmit(): void
  /** Waits for what was submitted; returns the milliseconds since it was last asked. */
  takeMs(): Promise<number>
}

/** Passes of one run: a query set holds 4096 timestamps at most. */
const MOST_PASSES = 2048
const USAGE = { mapRead: 1, copySource: 4, copyTarget: 8, queryResolve: 512 } as const

/** Creates the best clock that a device has: its own timestamps around each pass, else the time from the first submission of a run to the end of the last. */
export function createKernelClock(device: GPUDevice): KernelClock {
  return device.features.has("timestamp-query") ? createDeviceClock(device) : createWallClock(device)
}

function createDeviceClock(device: GPUDevice): KernelClock {
  const querySet = device.createQuerySet({ type: "timestamp", count: 2 * MOST_PASSES })
  const size = 2 * MOST_PASSES * BigUint64Array.BYTES_PER_ELEMENT
  const resolved = device.createBuffer({ size, usage: USAGE.queryResolve | USAGE.copySource })
  const staging = device.createBuffer({ size, usage: USAGE.mapRead | USAGE.copyTarget })
  let numPasses = 0
  return {
    nextPass() {
      if (numPasses === MOST_PASSES) throw new Error(`a run whose kernels are timed has at most ${MOST_PASSES} passes`)
      const beginningOfPassWriteIndex = 2 * numPasses++
      const endOfPassWriteIndex = beginningOfPassWriteIndex + 1
      return { timestampWrites: { querySet, beginningOfPassWriteIndex, endOfPassWriteIndex } }
    },
    beforeSubmit() {},
    async takeMs() {
      const numStamps = 2 * numPasses
      numPasses = 0
      if (numStamps === 0) return 0
      const encoder = device.createCommandEncoder()
      encoder.resolveQuerySet(querySet, 0, numStamps, resolved, 0)
      encoder.copyBufferToBuffer(resolved, 0, staging, 0, numStamps * BigUint64Array.BYTES_PER_ELEMENT)
      device.queue.submit([encoder.finish()])
      await staging.mapAsync(1)
      const stamps = new BigUint64Array(staging.getMappedRange())
      let ns = 0
      // A driver may end a pass of nothing before it begins.
      for (let i = 0; i < numStamps; i += 2) ns += Math.max(0, Number(stamps[i + 1]! - stamps[i]!))
      staging.unmap()
      return ns / 1e6
    },
  }
}

function createWallClock({ queue }: GPUDevice): KernelClock {
  let started: number | undefined
  return {
    nextPass: () => ({}),
    beforeSubmit() {
      started ??= performance.now()
    },
    async takeMs() {
      const since = started
      started = undefined
      if (since === undefined) return 0
      await queue.onSubmittedWorkDone()
      return performance.now() - since
    },
  }
}
