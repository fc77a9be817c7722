/** What the norms of each expert's outputs have been: running mean and variance of their logarithms, `[L * E]` each. */
export interface OutputNorms {
  readonly numExperts: number
  readonly counts: Uint32Array
  readonly means: Float64Array
  readonly variances: Float64Array
}

/** Fewer observations accuse nobody. */
const LEAST_OBSERVATIONS = 64
/** Old observations fade: the newest counts at least this much. */
const LEAST_WEIGHT = 1 / 1024
/** How far from its mean a norm may be, in standard deviations … */
const MOST_DEVIATIONS = 8
/** … and by which factor in any case: an expert whose outputs hardly vary is not accused for a little more. */
const MOST_FACTOR = 16
/** The norm of zeros, for its logarithm. */
const LEAST_NORM = 1e-30

/** Allocates a history of all experts of a model. */
export function createOutputNorms(numLayers: number, numExperts: number): OutputNorms {
  const length = numLayers * numExperts
  return {
    numExperts,
    counts: new Uint32Array(length),
    means: new Float64Array(length),
    variances: new Float64Array(length),
  }
}

/**
 * Returns whether a norm is far outside its expert's history, or not finite; otherwise the history learns it.
 *
 * It is a suspicion: some tokens (a text's first) have norms a thousand times the others'. One that turns out right is given to `learnOutputNorm`.
 * Allocates nothing.
 */
export function noticeOutputNorm(norms: OutputNorms, layer: number, expertId: number, norm: number): boolean {
  if (!Number.isFinite(norm)) return true
  const i = layer * norms.numExperts + expertId
  if (norms.counts[i]! >= LEAST_OBSERVATIONS) {
    const distance = Math.abs(Math.log(Math.max(norm, LEAST_NORM)) - norms.means[i]!)
    const allowed = Math.max(MOST_DEVIATIONS * Math.sqrt(norms.variances[i]!), Math.log(MOST_FACTOR))
    if (distance > allowed) return true
  }
  learnOutputNorm(norms, layer, expertId, norm)
  return false
}

/** Takes a finite norm into its expert's history, however far it is. @see West, "Updating mean and variance estimates", CACM 1979 */
export function learnOutputNorm(norms: OutputNorms, layer: number, expertId: number, norm: number): void {
  const i = layer * norms.numExperts + expertId
  const count = Math.min(norms.counts[i]! + 1, 1 / LEAST_WEIGHT)
  norms.counts[i] = count
  const weight = 1 / count
  const difference = Math.log(Math.max(norm, LEAST_NORM)) - norms.means[i]!
  norms.means[i]! += weight * difference
  norms.variances[i] = (1 - weight) * (norms.variances[i]! + weight * difference * difference)
}

/** Forgets an expert's history: another version of it may give other norms. */
export function forgetOutputNorms(norms: OutputNorms, layer: number, expertId: number): void {
  const i = layer * norms.numExperts + expertId
  norms.counts[i] = 0
  norms.means[i] = 0
  norms.variances[i] = 0
}
