import { createRandom } from "@consilium/tensor"

/** Units of one window: a number that no row length divides, so that rows do not repeat window by window. */
const WINDOW_UNITS = 65_521

/**
 * Returns what fills bytes with noise at the speed of memory: windows of a pool of random units, taken at seeded random places.
 *
 * A weight is as random as the pool's; two windows are, unless they begin at the same unit, uncorrelated.
 *
 * @param pool      whole units, more than one window
 * @param unitBytes what must not be cut: a number, a block of quantised numbers. Lengths to fill are multiples of it
 */
export function createFiller(pool: Uint8Array, unitBytes: number, seed: number): (out: Uint8Array) => void {
  const random = createRandom(seed)
  const numStarts = pool.length / unitBytes - WINDOW_UNITS
  if (!(numStarts > 0)) throw new Error(`a pool of ${pool.length} bytes has no ${WINDOW_UNITS} units of ${unitBytes}`)
  return (out) => {
    for (let at = 0; at < out.length;) {
      const bytes = Math.min(out.length - at, WINDOW_UNITS * unitBytes)
      const from = Math.floor(random() * numStarts) * unitBytes
      out.set(pool.subarray(from, from + bytes), at)
      at += bytes
    }
  }
}
