import { costPerMillionTokens, type Hardware, joulesPerToken, usdPerHourAll } from "./Hardware.ts"
import { activeParameters, expertBytes, expertsTouched, type ModelShape, weightBytesPerStep } from "./ModelShape.ts"

/** How a model is used. */
export interface Load {
  /** Rows of a step: streams that decode together, or tokens of a chunk of a prompt. */
  readonly numRows: number
  /** Share of the experts wanted that are awake already, in [0, 1]; 1 where all are resident. */
  readonly hitRate: number
  /** What a step takes beside its weights: launches, attention, sampling, sending. */
  readonly fixedMs: number
  /** Share of the time in which there is work, in (0, 1]. */
  readonly utilisation: number
}

/** What serving costs, with what it is made of. */
export interface ServingEstimate {
  readonly numActiveParameters: number
  /** Of each layer, by all rows of a step. */
  readonly expertsTouchedPerLayer: number
  readonly weightBytesPerStep: number
  /** Reading the weights, computing with them, and reading from disk those that sleep. */
  readonly memoryMs: number
  readonly computeMs: number
  readonly missMs: number
  /** Of one step: fixed + max(memory, compute) + misses. It is also how long each stream waits for its next token. */
  readonly stepMs: number
  readonly tokensPerSec: number
  readonly joulesPerToken: number
  readonly usdPerMillionTokens: number
}

/**
 * Estimates what tokens cost when weights come from memory at its full bandwidth and arithmetic runs at its full rate: a roofline, so a bound to be
 * measured against, not a promise. Attention over the context is in `fixedMs` or nowhere.
 *
 * @see S. Williams et al., Roofline, CACM 52(4), 2009
 */
export function estimateServing(
  shape: ModelShape,
  hardware: Hardware,
  { numRows, hitRate, fixedMs, utilisation }: Load,
): ServingEstimate {
  const { memoryBytesPerSec, flopsPerSec, diskBytesPerSec, powerWatts } = hardware
  const numActiveParameters = activeParameters(shape)
  const expertsTouchedPerLayer = expertsTouched(shape, numRows)
  const bytes = weightBytesPerStep(shape, numRows)
  const missBytes = (1 - hitRate) * shape.numMoeLayers * expertsTouchedPerLayer * expertBytes(shape)

  const memoryMs = (bytes / memoryBytesPerSec) * 1000
  const computeMs = ((2 * numActiveParameters * numRows) / flopsPerSec) * 1000
  const missMs = missBytes === 0 ? 0 : (missBytes / diskBytesPerSec) * 1000
  const stepMs = fixedMs + Math.max(memoryMs, computeMs) + missMs
  const tokensPerSec = (numRows / stepMs) * 1000
  return {
    numActiveParameters,
    expertsTouchedPerLayer,
    weightBytesPerStep: bytes,
    memoryMs,
    computeMs,
    missMs,
    stepMs,
    tokensPerSec,
    joulesPerToken: joulesPerToken(powerWatts, tokensPerSec),
    usdPerMillionTokens: costPerMillionTokens(usdPerHourAll(hardware), tokensPerSec, utilisation),
  }
}
