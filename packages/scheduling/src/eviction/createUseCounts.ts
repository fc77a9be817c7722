import type { ExpertGrid } from "./EvictionPolicy.ts"

/** How often each expert was used, older uses counting less. */
export interface UseCounts {
  /** By expert; grows with uses alone, so that it orders experts until the next one. */
  readonly values: Float64Array
  /** Moves on to a step, if it is not that of the last call; returns by what all values were multiplied, nearly always 1. */
  advance(step: number): number
  add(expert: number): void
  /** The value of an expert that every step has used: values over it are the share of recent steps that used one. */
  whole(): number
}

/** Weights grow until this, then everything is scaled down. */
const LARGEST_WEIGHT = 2 ** 256

/**
 * Counts uses whose weight halves every `halfLife` steps that it hears of: idle time forgets nothing.
 *
 * Old uses do not shrink: new ones weigh more.
 *
 * @see LRFU: Lee et al., IEEE Transactions on Computers 50(12), 2001
 */
export function createUseCounts({ numLayers, numExperts }: ExpertGrid, halfLife: number): UseCounts {
  const values = new Float64Array(numLayers * numExperts)
  const growth = 2 ** (1 / halfLife)
  let lastStep = -1
  let weight = 1
  let whole = 0
  const scaleDown = (): number => {
    const factor = 1 / weight
    for (let expert = 0; expert < values.length; expert++) values[expert]! *= factor
    whole *= factor
    weight = 1
    return factor
  }
  return {
    values,
    advance(step) {
      if (step === lastStep) return 1
      lastStep = step
      weight *= growth
      const factor = weight > LARGEST_WEIGHT ? scaleDown() : 1
      whole += weight
      return factor
    },
    add(expert) {
      values[expert]! += weight
    },
    whole: () => whole,
  }
}
