import { createRandom } from "@consilium/tensor"
import type { RouterExample } from "../examples/RouterExample.ts"

/** What a request's two answers were worth, and how much a router would pay for the stronger. */
export interface RoutedOutcome {
  readonly gain: number
  readonly cheapRight: number
  readonly strongRight: number
}

/**
 * How much of the gap between the cheap and the strong expert is closed at each share of requests for the strong one.
 *
 * @see RouteLLM, arXiv:2406.18665 §4: PGR, APGR and CPT
 */
export interface CostCurve {
  /** `[101]`, at shares of 0, 1, … 100 %: part of the answers that were right. */
  readonly quality: Float64Array
  /** Mean part of the gap that is closed, over all shares: about 0.5 at random, above 1 for an oracle that knows where the cheap one alone is right. */
  readonly apgr: number
  /** Least share of calls, 0..1, that closes half and four fifths of the gap. */
  readonly cpt50: number
  readonly cpt80: number
}

const STEPS = 100

/** Sends the requests of the largest gain to the strong expert, share by share. Equal gains count as their mean: no order among them is luck. */
export function costCurve(outcomes: readonly RoutedOutcome[]): CostCurve {
  const ranked = outcomes.toSorted((a, b) => b.gain - a.gain)
  const total = ranked.length
  const weak = ranked.reduce((sum, { cheapRight }) => sum + cheapRight, 0)
  const gains = cumulativeGains(ranked)
  const quality = new Float64Array(STEPS + 1)
  for (let step = 0; step <= STEPS; step++) {
    const place = (step / STEPS) * total
    const low = Math.floor(place)
    const between = (place - low) * ((gains[low + 1] ?? gains[low]!) - gains[low]!)
    quality[step] = (weak + gains[low]! + between) / total
  }
  const gap = quality[STEPS]! - quality[0]!
  const closed = quality.map((reached) => (gap === 0 ? 0 : (reached - quality[0]!) / gap))
  const area = closed.reduce((sum, part, step) => sum + (step === 0 || step === STEPS ? part / 2 : part), 0) / STEPS
  const callsFor = (part: number): number => {
    const step = closed.findIndex((reached) => reached >= part)
    if (step <= 0) return step < 0 ? 1 : 0
    const before = closed[step - 1]!
    return (step - 1 + (part - before) / (closed[step]! - before)) / STEPS
  }
  return { quality, apgr: area, cpt50: callsFor(0.5), cpt80: callsFor(0.8) }
}

/** `[T + 1]`: answers more that are right when the first n go to the strong one. */
function cumulativeGains(ranked: readonly RoutedOutcome[]): Float64Array {
  const gains = new Float64Array(ranked.length + 1)
  for (let from = 0; from < ranked.length;) {
    let to = from
    let sum = 0
    while (to < ranked.length && ranked[to]!.gain === ranked[from]!.gain) {
      sum += ranked[to]!.strongRight - ranked[to]!.cheapRight
      to++
    }
    const mean = sum / (to - from)
    for (let i = from; i < to; i++) gains[i + 1] = gains[i]! + mean
    from = to
  }
  return gains
}

/** The same requests by chance: everyone's gain is the same, so this is the diagonal. */
export function atRandom(outcomes: readonly RoutedOutcome[]): RoutedOutcome[] {
  return outcomes.map((outcome) => ({ ...outcome, gain: 0 }))
}

/** The same requests by somebody who knows both answers. */
export function byOracle(outcomes: readonly RoutedOutcome[]): RoutedOutcome[] {
  return outcomes.map((outcome) => ({ ...outcome, gain: outcome.strongRight - outcome.cheapRight }))
}

/** The same requests, the longer ones to the strong expert: what a clever router must beat. */
export function byLength(outcomes: readonly RoutedOutcome[], examples: readonly RouterExample[]): RoutedOutcome[] {
  return outcomes.map((outcome, i) => ({ ...outcome, gain: examples[i]!.request.text.length }))
}

/**
 * Returns the 95 % interval of the APGR: requests drawn anew, with replacement, seeded.
 *
 * @see Efron 1979, the percentile bootstrap
 */
export function bootstrapApgr(
  outcomes: readonly RoutedOutcome[],
  numDraws: number,
  seed: number,
): readonly [low: number, high: number] {
  const random = createRandom(seed)
  const draws = Array.from({ length: numDraws }, () => {
    const drawn = outcomes.map(() => outcomes[Math.floor(random() * outcomes.length)]!)
    return costCurve(drawn).apgr
  }).sort((a, b) => a - b)
  return [draws[Math.floor(0.025 * numDraws)]!, draws[Math.ceil(0.975 * numDraws) - 1]!]
}
