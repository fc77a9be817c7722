/** A sample is the mean of as many repeats as fill this. */
const SAMPLE_MS = 20
const NUM_SAMPLES = 8
/** Repeats of one submission: with a few kernels each they stay below what one may hold. */
const MOST_REPEATS = 128

/**
 * Returns the milliseconds of one repeat, a sample for each submission of many: the device goes from one to the next, and waits for nobody.
 *
 * @param kernelMs milliseconds that kernels have run so far
 * @param run      has so many repeats carried out, in one submission
 */
export function sampleKernels(kernelMs: () => number, run: (numRepeats: number) => void): number[] {
  const time = (numRepeats: number): number => {
    const before = kernelMs()
    run(numRepeats)
    return (kernelMs() - before) / numRepeats
  }
  // The first also compiles, and may find the device asleep.
  const onceMs = Math.min(time(1), time(4), time(4))
  const numRepeats = Math.max(1, Math.min(MOST_REPEATS, Math.round(SAMPLE_MS / onceMs)))
  return Array.from({ length: NUM_SAMPLES }, () => time(numRepeats))
}
