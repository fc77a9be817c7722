import type { AwakeHeaps } from "./createAwakeHeaps.ts"

/** Uses of each expert, older ones counting less. */
export interface UseCounts {
  /** Moves on to a step; does nothing where it is that of the last call. */
  advance(heaps: AwakeHeaps, step: number): void
  /** What one use in this step adds to an expert's key. */
  weight(): number
  /** Returns the share of recent steps that a key stands for: 1 for every one. */
  share(key: number): number
}

/** Keys grow until this, then all are scaled down. */
const LARGEST_WEIGHT = 2 ** 256

/**
 * Counts uses whose weight halves every `halfLife` steps that it hears of: idle time forgets nothing.
 *
 * Old uses do not shrink: new ones weigh more, so that the order of keys changes with uses only.
 *
 * @see LRFU: Lee et al., IEEE Transactions on Computers 50(12), 2001
 */
export function createUseCounts(halfLife: number): UseCounts {
  const growth = 2 ** (1 / halfLife)
  let lastStep = -1
  let weight = 1
  /** The key of an expert that every step has used. */
  let total = 0
  return {
    advance(heaps, step) {
      if (step === lastStep) return
      lastStep = step
      weight *= growth
      if (weight > LARGEST_WEIGHT) {
        heaps.scaleKeys(1 / weight)
        total /= weight
        weight = 1
      }
      total += weight
    },
    weight: () => weight,
    share: (key) => key / total,
  }
}
