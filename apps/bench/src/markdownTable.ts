import { type Measurement, type Unit, UNITS, readable, summarise } from "@consilium/benchmarks"

/** What a table must know of a record beside its measurements. */
export interface TableStyle {
  /** What `at` counts. */
  readonly axis?: string
  readonly showsTail?: boolean
}

/** A table of measurements, unit by unit: median, p10–p90 (and p99), and how many times better than whom they are compared with. */
export function markdownTable(measurements: readonly Measurement[], style: TableStyle = {}): string {
  const hasRatios = measurements.some(({ comparedWith = [] }) => comparedWith.length > 0)
  const hasContenders = measurements.some(({ contender }) => contender !== undefined)
  const head = [
    "",
    ...(hasContenders ? ["who"] : []),
    "median",
    "p10–p90",
    ...(style.showsTail ? ["p99"] : []),
    ...(hasRatios ? ["times better"] : []),
    "samples",
  ]
  const units = Object.keys(UNITS) as Unit[]
  const byUnit = units.flatMap((unit) => measurements.filter((measurement) => measurement.unit === unit))
  const rows = byUnit.map((measurement) => {
    const { unit, samples, contender = "" } = measurement
    const { median, p10, p90, p99 } = summarise(samples)
    const isOne = samples.length === 1
    return [
      describe(measurement, style.axis),
      ...(hasContenders ? [contender] : []),
      `**${readable(median)} ${unit}**`,
      isOne ? "one sample" : `${readable(p10)}–${readable(p90)}`,
      ...(style.showsTail ? [isOne ? "" : readable(p99)] : []),
      ...(hasRatios ? [describeRatios(measurement, measurements)] : []),
      String(samples.length),
    ]
  })
  return alignedTable([head, ...rows])
}

/** Names a measurement with its place and note. */
function describe({ name, at, note }: Measurement, axis = ""): string {
  const place = at === undefined ? "" : `, ${at} ${at === 1 ? axis.replace(/s$/, "") : axis}`
  return `${name}${place}${note === undefined ? "" : ` (${note})`}`
}

function describeRatios(measurement: Measurement, all: readonly Measurement[]): string {
  return ratiosOf(measurement, all)
    .map(({ ratio, contender }) => `${readable(ratio)}× ${contender}`)
    .join(" · ")
}

/**
 * Returns how many times better a measurement is than each that it is compared with, by medians.
 *
 * Those that this run did not finish are left out.
 */
export function ratiosOf(
  measurement: Measurement,
  all: readonly Measurement[],
): readonly { readonly ratio: number; readonly contender: string }[] {
  const { unit, samples, comparedWith = [] } = measurement
  return comparedWith.flatMap(({ name, contender }) => {
    const other = all.find(
      (m) =>
        m.unit === unit &&
        m.contender === contender &&
        (name === undefined ? m.name === measurement.name && m.at === measurement.at : m.name === name),
    )
    if (other === undefined) return []
    const [mine, its] = [summarise(samples).median, summarise(other.samples).median]
    return [{ ratio: UNITS[unit] === "higher" ? mine / its : its / mine, contender }]
  })
}

/** Lays out cells as the formatter does, so that it leaves generated tables alone. */
export function alignedTable(rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map((cell) => cell.replaceAll("|", "\\|")))
  const widths = cells[0]!.map((_, column) => Math.max(3, ...cells.map((row) => [...row[column]!].length)))
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell + " ".repeat(widths[column]! - [...cell].length)).join(" | ")} |`
  return [
    line(cells[0]!),
    `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`,
    ...cells.slice(1).map(line),
  ].join("\n")
}
