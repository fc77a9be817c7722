import { createRandom } from "@consilium/tensor"

/** A figure with its error bar: of resamples, a tenth lie below `p10` and a tenth above `p90`. */
export interface Interval {
  readonly value: number
  readonly p10: number
  readonly p90: number
}

/** Measurements are drawn this often, requests so often for each. */
const NUM_DRAWS = 50
const RESAMPLES_PER_DRAW = 20
/** Beyond so many the sums of groups are drawn instead: their spread says the same. */
const MAX_UNITS = 5000

/** Sums of some requests: what was paid, and what would have been. */
export type SumPair = readonly [actual: number, instead: number]

/**
 * Returns which share was saved, 1 − Σ actual / Σ instead, with the spread that other requests of the same kind would give: requests are drawn again with
 * replacement. The same seed gives the same figures.
 *
 * @param drawPairs returns the requests' sums, anew each time where they rest on measurements that have a spread of their own
 * @param best      the requests' sums as they are best known
 * @see B. Efron, Bootstrap Methods, Ann. Statist. 7(1), 1979
 */
export function bootstrapSaving(
  drawPairs: (random: () => number) => readonly SumPair[],
  best: readonly SumPair[],
  seed: number,
): Interval {
  const random = createRandom(seed)
  const savings = Array.from({ length: NUM_DRAWS }, () => grouped(drawPairs(random), random))
    .flatMap((pairs) => Array.from({ length: RESAMPLES_PER_DRAW }, () => resampledSaving(pairs, random)))
    .filter(Number.isFinite)
    .sort((a, b) => a - b)
  const at = (share: number): number => savings[Math.round(share * (savings.length - 1))]!
  const sum = (side: 0 | 1): number => best.reduce((total, pair) => total + pair[side], 0)
  return { value: 1 - sum(0) / sum(1), p10: at(0.1), p90: at(0.9) }
}

function resampledSaving(pairs: readonly SumPair[], random: () => number): number {
  let actual = 0
  let instead = 0
  for (let i = 0; i < pairs.length; i++) {
    const pair = pairs[Math.floor(random() * pairs.length)]!
    actual += pair[0]
    instead += pair[1]
  }
  return 1 - actual / instead
}

/** Groups are drawn: requests come in patterns, and every so-and-so-many would be too much alike. */
function grouped(pairs: readonly SumPair[], random: () => number): readonly SumPair[] {
  if (pairs.length <= MAX_UNITS) return pairs
  const groups = Array.from({ length: MAX_UNITS }, (): [number, number] => [0, 0])
  for (const [actual, instead] of pairs) {
    const group = groups[Math.floor(random() * MAX_UNITS)]!
    group[0] += actual
    group[1] += instead
  }
  return groups
}
