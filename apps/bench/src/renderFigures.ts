/**
 * The README's figures, written from records so that nobody copies a number by hand.
 *
 *     <!-- figures of amd-epyc-avx512vnni-2c -->        which machine all others are of
 *     <!-- figures: layer | 1 token; 64 tokens -->      one record: rows are contenders, columns these names (all unless given)
 *     <!-- figures: engine-a-int8, engine-b-int8 -->    several records: rows are names, columns the records
 *
 * Each is followed by what is generated, up to `<!-- /figures -->`.
 */
import { type Measurement, readable, summarise } from "@consilium/benchmarks"
import type { BenchRecord } from "./BenchRecord.ts"
import { alignedTable, ratiosOf } from "./markdownTable.ts"

const MACHINE = /<!-- figures of (\S+) -->\n[\s\S]*?<!-- \/figures -->/
const TABLE = /<!-- figures: ([^|]+?)(?: \| ([^\n]+?))? -->\n[\s\S]*?<!-- \/figures -->/g

/** Returns whose figures a text shows; undefined where it does not say. */
export function machineOf(text: string): string | undefined {
  return MACHINE.exec(text)?.[1]
}

/**
 * Returns a text with all its figures written anew.
 *
 * @param readRecord returns a record of a machine by its name. @throws Error where there is none
 * @param machine    whose figures to show from now on; those already shown unless given
 * @throws Error where the text names no machine, or a marker names nothing that its records hold
 */
export function renderFigures(
  text: string,
  readRecord: (machine: string, name: string) => BenchRecord,
  machine: string | undefined = machineOf(text),
): string {
  if (machine === undefined || !MACHINE.test(text))
    throw new Error("expected a marker <!-- figures of <machine> -->, found none")
  const shown: BenchRecord[] = []
  const withTables = text.replaceAll(TABLE, (_, recordNames: string, names: string | undefined) => {
    const records = recordNames.split(",").map((name) => readRecord(machine, name.trim()))
    shown.push(...records)
    const wanted = names?.split(";").map((name) => name.trim())
    const table = records.length === 1 ? tableOfOne(records[0]!, wanted) : tableOfSeveral(records, wanted)
    return `<!-- figures: ${recordNames}${names === undefined ? "" : ` | ${names}`} -->\n\n${table}\n\n<!-- /figures -->`
  })
  return withTables.replace(
    MACHINE,
    () => `<!-- figures of ${machine} -->\n\n${describeSource(shown)}\n\n<!-- /figures -->`,
  )
}

/** Rows are contenders, columns what they did; where nobody else did it, rows are what was done. */
function tableOfOne(record: BenchRecord, wanted: readonly string[] | undefined): string {
  const all = record.measurements
  const chosen = choose(all, wanted, record)
  const contenders = [...new Set(chosen.map(({ contender }) => contender))]
  if (contenders.length === 1) return tableOfSeveral([record], wanted)
  const labels = [...new Set(chosen.map((measurement) => labelOf(measurement, record)))]
  return alignedTable([
    [`\`${record.command}\``, ...labels],
    ...contenders.map((contender) => [
      contender ?? "",
      ...labels.map((label) =>
        cell(
          chosen.find((m) => m.contender === contender && labelOf(m, record) === label),
          all,
        ),
      ),
    ]),
  ])
}

/** Rows are what was done, columns the records. */
function tableOfSeveral(records: readonly BenchRecord[], wanted: readonly string[] | undefined): string {
  const chosen = records.map((record) => choose(record.measurements, wanted, record))
  const rowLabel = (measurement: Measurement, record: BenchRecord): string =>
    [labelOf(measurement, record), measurement.contender].filter((part) => part !== undefined).join(", ")
  const labels = [...new Set(records.flatMap((record, r) => chosen[r]!.map((m) => rowLabel(m, record))))]
  return alignedTable([
    ["", ...records.map(({ command }) => `\`${command}\``)],
    ...labels.map((label) => [
      label,
      ...records.map((record, r) =>
        cell(
          chosen[r]!.find((m) => rowLabel(m, record) === label),
          record.measurements,
        ),
      ),
    ]),
  ])
}

function choose(
  measurements: readonly Measurement[],
  wanted: readonly string[] | undefined,
  record: BenchRecord,
): readonly Measurement[] {
  if (wanted === undefined) return measurements
  for (const name of wanted) {
    if (measurements.some((m) => labelOf(m, record) === name)) continue
    throw new Error(
      `a figure wants "${name}" of ${record.suite}: expected one of ${[...new Set(measurements.map((m) => labelOf(m, record)))].join("; ")}`,
    )
  }
  return wanted.flatMap((name) => measurements.filter((m) => labelOf(m, record) === name))
}

function labelOf({ name, at }: Measurement, { axis = "" }: BenchRecord): string {
  return at === undefined ? name : `${name}, ${at} ${axis}`
}

function cell(measurement: Measurement | undefined, all: readonly Measurement[]): string {
  if (measurement === undefined) return "–"
  const ratios = ratiosOf(measurement, all).map(({ ratio }) => `${readable(ratio)}×`)
  const value = `${readable(summarise(measurement.samples).median)} ${measurement.unit}`
  return ratios.length === 0 ? value : `${value} (${ratios.join(", ")})`
}

/** Says where the records come from: one machine, and the commits and days they were taken on. */
function describeSource(records: readonly BenchRecord[]): string {
  const [first] = records
  if (first === undefined) throw new Error("expected at least one marker <!-- figures: <record> -->, found none")
  const { cpu, features, numCores, memoryGiB } = first.machine
  const days = [...new Set(records.map(({ date }) => date.slice(0, 10)))].sort()
  const commits = [...new Set(records.map(({ commit }) => commit))]
  const kinds = features.length === 0 ? "" : ` (${features.join(", ")})`
  return (
    `Measured on ${numCores} cores of ${cpu}${kinds}, ${memoryGiB} GiB, Bun ${first.versions.bun}, ` +
    `${days.length > 1 ? `${days[0]} to ${days.at(-1)}` : days[0]}, at ${commits.join(", ")}.`
  )
}
