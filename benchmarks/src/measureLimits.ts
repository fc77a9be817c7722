import { measureLimits as measureMachine, runnableIsas } from "@consilium/kernels"

/** The most that this machine gives, whatever the kernels: samples, measured in the run that they are compared in. */
export interface MachineLimits {
  /** GB/s read from memory by one thread, and by all of the run. */
  readonly readOneThread: readonly number[]
  readonly readAllThreads: readonly number[]
  /** GOPS of int8 and f32 products in cache, by all threads of the run. */
  readonly int8Gops: readonly number[]
  readonly f32Gops: readonly number[]
}

/** Measures this machine's limits; undefined where no machine code of ours runs. */
export function measureLimits(numThreads: number): MachineLimits | undefined {
  const [isa] = runnableIsas()
  if (isa === undefined) return undefined
  const limits = measureMachine({ isa, numThreads })
  const giga = (samples: readonly number[]): number[] => samples.map((perSec) => perSec / 1e9)
  return {
    readOneThread: giga(limits.readBytesPerSecOfOne),
    readAllThreads: giga(limits.readBytesPerSec),
    int8Gops: giga(limits.int8OpsPerSec),
    f32Gops: giga(limits.f32FlopsPerSec),
  }
}
