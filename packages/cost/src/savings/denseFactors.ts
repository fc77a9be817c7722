import {
  activeParameters,
  expertBytes,
  expertsTouched,
  type ModelShape,
  weightBytesPerStep,
} from "../model/ModelShape.ts"

/** Times of a layer of experts and of the dense network of all of them, in one run and unit. */
interface MeasuredPair {
  readonly experts: readonly number[]
  readonly dense: readonly number[]
}

/** What `bun run bench sparse` measured on a machine. */
export interface SparseRates {
  readonly numExperts: number
  readonly topK: number
  /** By rows of a step, ascending. */
  readonly decode: readonly (MeasuredPair & { readonly numRows: number })[]
  readonly prefill: MeasuredPair
}

/** How many times as long the dense model of the same size takes, for tokens of prompts and of answers. */
export interface DenseFactors {
  readonly prompt: number
  /** @param numTogether streams that decode in one step */
  readonly generated: (numTogether: number) => number
}

/** One value of some samples: their median, or one that is drawn. */
export type PickSample = (samples: readonly number[]) => number

/**
 * Returns how many times as long a dense model of the same size takes.
 *
 * A layer of experts reads k of N experts for one row and nearly all for many, and computes with k of N for each: that is the ideal. What of it is reached is
 * measured (`rates`; all of it where there are none), and holds for the experts' part of the model alone: attention and vocabulary cost the same in both.
 *
 * @param pick which sample of a measurement to go by
 */
export function denseFactors(shape: ModelShape, rates: SparseRates | undefined, pick: PickSample): DenseFactors {
  const { numExperts, topK, numMoeLayers, numExpertParameters } = shape
  const reachedInPrefill = rates === undefined ? 1 : timesSlower(rates.prefill, pick) / (rates.numExperts / rates.topK)
  const reached = (rates?.decode ?? []).map((pair) => ({
    numRows: pair.numRows,
    share: timesSlower(pair, pick) / (rates!.numExperts / expertsTouched({ ...shape, ...rates! }, pair.numRows)),
  }))
  const shareOfArithmetic = (numMoeLayers * topK * numExpertParameters) / activeParameters(shape)
  return {
    prompt: timesWhole(shareOfArithmetic, reachedInPrefill * (numExperts / topK)),
    generated(numTogether) {
      const touched = expertsTouched(shape, numTogether)
      const shareOfBytes = (numMoeLayers * touched * expertBytes(shape)) / weightBytesPerStep(shape, numTogether)
      return timesWhole(shareOfBytes, interpolate(reached, numTogether) * (numExperts / touched))
    },
  }
}

function timesSlower({ experts, dense }: MeasuredPair, pick: PickSample): number {
  return pick(dense) / pick(experts)
}

/** Only a part becomes slower. @see G. Amdahl, AFIPS 1967 */
function timesWhole(share: number, times: number): number {
  return 1 - share + share * times
}

/** Between the measured rows by their logarithm, beyond them as at the nearest. */
function interpolate(points: readonly { readonly numRows: number; readonly share: number }[], numRows: number): number {
  const [first] = points
  if (first === undefined) return 1
  const above = points.findIndex((point) => point.numRows >= numRows)
  if (above === 0) return first.share
  if (above < 0) return points.at(-1)!.share
  const [a, b] = [points[above - 1]!, points[above]!]
  const way = Math.log(numRows / a.numRows) / Math.log(b.numRows / a.numRows)
  return a.share + way * (b.share - a.share)
}

/** Returns the middle of some samples. */
export const median: PickSample = (samples) => samples.toSorted((a, b) => a - b)[Math.floor(samples.length / 2)]!
