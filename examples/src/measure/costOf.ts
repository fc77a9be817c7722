import { costPerMillionTokens, type Hardware, usdPerHourAll } from "@consilium/cost"
import type { ConcurrencyLevel } from "./measureConcurrency.ts"

/** What a rented machine of two cores costs: assumed, the same before and after. Only its ratio is a measurement. */
export const HARDWARE: Pick<Hardware, "usdPerHour" | "powerWatts" | "pue" | "usdPerKWh"> = {
  usdPerHour: 0.1,
  powerWatts: 60,
  pue: 1.2,
  usdPerKWh: 0.15,
}
/** Share of the day in which there is work; the rest is paid too. */
export const UTILISATION = 0.5

/** Returns US dollars of 1,000 answers at the rate that was measured where most clients are answered within the bound. */
export function usdPerThousandAnswers(
  { answersPerSec }: Pick<ConcurrencyLevel, "answersPerSec">,
  numTokens: number,
): number {
  const perHour = usdPerHourAll({ ...HARDWARE, memoryBytesPerSec: 0, flopsPerSec: 0, diskBytesPerSec: 0 })
  return (costPerMillionTokens(perHour, answersPerSec * numTokens, UTILISATION) * numTokens * 1000) / 1e6
}
