import type { Measurement } from "@consilium/benchmarks"

export interface Summary {
  readonly median: number
  readonly p10: number
  readonly p90: number
}

/** Returns the median and the spread of some samples. @throws Error on none */
export function summarise(samples: readonly number[]): Summary {
  if (samples.length === 0) throw new Error("a measurement without samples has no median")
  const sorted = samples.toSorted((a, b) => a - b)
  const at = (share: number): number => {
    const place = share * (sorted.length - 1)
    const low = sorted[Math.floor(place)]!
    return low + (sorted[Math.ceil(place)]! - low) * (place - Math.floor(place))
  }
  return { median: at(0.5), p10: at(0.1), p90: at(0.9) }
}

/** Writes a number as a person would: three significant digits, no exponent. */
export function readable(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString("en-US")
  return value.toPrecision(3)
}

/** A Markdown table of measurements: median, and p10–p90 in brackets. */
export function markdownTable(measurements: readonly Measurement[]): string {
  const rows = measurements.map(({ name, unit, samples, note }) => {
    const { median, p10, p90 } = summarise(samples)
    const spread = samples.length > 1 ? `${readable(p10)}–${readable(p90)}` : "one run"
    return `| ${name}${note === undefined ? "" : ` (${note})`} | **${readable(median)} ${unit}** | ${spread} | ${samples.length} |`
  })
  return ["| | median | p10–p90 | samples |", "|---|---|---|---|", ...rows].join("\n")
}
