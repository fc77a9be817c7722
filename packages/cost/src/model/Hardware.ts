/** A machine as far as cost goes. */
export interface Hardware {
  /** What an hour of it costs, electricity apart. */
  readonly usdPerHour: number
  readonly powerWatts: number
  /** Power usage effectiveness: what the building draws for each watt of the machine; 1 is none of it. */
  readonly pue: number
  readonly usdPerKWh: number
  readonly memoryBytesPerSec: number
  readonly flopsPerSec: number
  readonly diskBytesPerSec: number
}

/** Returns what an hour costs: $/h + kW · PUE · $/kWh. */
export function usdPerHourAll({ usdPerHour, powerWatts, pue, usdPerKWh }: Hardware): number {
  return usdPerHour + (powerWatts / 1000) * pue * usdPerKWh
}

/**
 * Returns what a million tokens cost, in the currency of the hour: (per hour) / (tokens an hour) · 10⁶ / utilisation.
 *
 * @param tokensPerSec all streams together, while it works
 * @param utilisation  share of the time in which it works, in (0, 1]; the rest is paid too
 */
export function costPerMillionTokens(costPerHour: number, tokensPerSec: number, utilisation: number): number {
  return ((costPerHour / (tokensPerSec * 3600)) * 1e6) / utilisation
}

/** Returns the energy of one token: W / (tok/s). */
export function joulesPerToken(powerWatts: number, tokensPerSec: number): number {
  return powerWatts / tokensPerSec
}
