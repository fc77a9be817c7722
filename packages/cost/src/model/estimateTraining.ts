import { activeParameters, type ModelShape } from "./ModelShape.ts"
import { type Hardware, usdPerHourAll } from "./Hardware.ts"

/** What a training run takes. */
export interface TrainingEstimate {
  readonly flops: number
  readonly hours: number
  readonly kWh: number
  readonly usd: number
}

/**
 * Estimates a training run: 6 · P_act · D operations, of which forward is a third.
 *
 * @param mfu share of the machine's arithmetic that training reaches, in (0, 1]
 * @see J. Kaplan et al., arXiv:2001.08361 §2.1
 */
export function estimateTraining(
  shape: ModelShape,
  hardware: Hardware,
  { numTokens, mfu }: { readonly numTokens: number; readonly mfu: number },
): TrainingEstimate {
  const flops = 6 * activeParameters(shape) * numTokens
  const hours = flops / (hardware.flopsPerSec * mfu) / 3600
  return {
    flops,
    hours,
    kWh: (hours * hardware.powerWatts * hardware.pue) / 1000,
    usd: hours * usdPerHourAll(hardware),
  }
}

/** Returns after how many months a change has paid for itself: what it costs once / what it saves a month, in one currency. */
export function paybackMonths(costOnce: number, savedPerMonth: number): number {
  return savedPerMonth > 0 ? costOnce / savedPerMonth : Number.POSITIVE_INFINITY
}
