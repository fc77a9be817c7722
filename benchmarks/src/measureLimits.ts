/** The most that this machine gives, whatever the kernels: samples, measured in the run that they are compared in. */
export interface MachineLimits {
  /** GB/s read from memory by one thread, and by all of the run. */
  readonly readOneThread: readonly number[]
  readonly readAllThreads: readonly number[]
  /** GOPS of int8 and f32 products in cache, by all threads of the run. */
  readonly int8Gops: readonly number[]
  readonly f32Gops: readonly number[]
}

/** Measures this machine's limits; undefined where no backend of ours can tell. */
export function measureLimits(_numThreads: number): MachineLimits | undefined {
  return undefined
}
