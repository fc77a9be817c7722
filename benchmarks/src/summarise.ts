/** What a reader wants to know of many samples. */
export interface Summary {
  readonly median: number
  readonly p10: number
  readonly p90: number
  readonly p99: number
}

/** Returns the median and the spread of some samples, interpolated between neighbours. @throws Error on none, or on one that is not a number */
export function summarise(samples: readonly number[]): Summary {
  if (samples.length === 0) throw new Error("a measurement without samples has no median")
  if (samples.some(Number.isNaN)) throw new Error("a measurement with a sample that is not a number has no median")
  const sorted = samples.toSorted((a, b) => a - b)
  const at = (share: number): number => {
    const place = share * (sorted.length - 1)
    const low = sorted[Math.floor(place)]!
    return low + (sorted[Math.ceil(place)]! - low) * (place - Math.floor(place))
  }
  return { median: at(0.5), p10: at(0.1), p90: at(0.9), p99: at(0.99) }
}

/** Writes a number as a person would: three significant digits, no exponent. */
export function readable(value: number): string {
  if (value === 0) return "0"
  if (Math.abs(value) >= 99.95) return Math.round(value).toLocaleString("en-US")
  return value.toPrecision(3)
}
