import type { Device } from "@consilium/benchmarks"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { BenchRecord } from "./BenchRecord.ts"
import { machineSlug } from "./describeMachine.ts"
import { markdownTable } from "./markdownTable.ts"
import { renderPlot } from "./renderPlot.ts"

/**
 * Writes `<name>.json`, `.md` and `.svg` to the machine's folder in `resultsDir`; returns the path without the ending.
 *
 * A run that was ended early goes beside: `<name>.partial.…`, so that it never replaces a whole one.
 */
export function writeRecord(resultsDir: string, name: string, record: BenchRecord): string {
  const dir = join(resultsDir, machineSlug(record.machine))
  const file = record.interrupted === undefined ? name : `${name}.partial`
  const path = join(dir, file)
  mkdirSync(dir, { recursive: true })
  writeFileSync(`${path}.json`, encodeRecord(record))
  writeFileSync(`${path}.svg`, renderPlot(record))
  writeFileSync(`${path}.md`, describeRecord(file, record))
  return path
}

/** JSON with a line for each measurement's samples, those that are no counts rounded to five digits: no clock here is finer. */
function encodeRecord(record: BenchRecord): string {
  const lines: string[] = []
  const measurements = record.measurements.map((measurement) => {
    lines.push(
      `[${measurement.samples.map((sample) => (Number.isInteger(sample) ? sample : Number(sample.toPrecision(5)))).join(", ")}]`,
    )
    return { ...measurement, samples: `samples:${lines.length - 1}` }
  })
  const text = JSON.stringify({ ...record, measurements }, undefined, 1)
  return `${text.replaceAll(/"samples:(\d+)"/g, (_, index: string) => lines[Number(index)]!)}\n`
}

/** Names the device; of one that is computed by the processor, says what its figures are not. */
export function describeDevice({ model, name, isSoftware }: Device): string {
  const device = `Computed on ${model} (${name})`
  return isSoftware
    ? `**${device}: a software adapter, which the processor computes. These are no figures of speed.**`
    : `${device}.`
}

function describeRecord(file: string, record: BenchRecord): string {
  const { machine, options, versions } = record
  const settings = Object.entries(options).map(([key, value]) => `${key} ${value}`)
  const software = Object.entries(versions).map(([key, value]) => `${key} ${value}`)
  const features = machine.features.length === 0 ? "" : ` (${machine.features.join(", ")})`
  return [
    `# ${file}`,
    "",
    record.question,
    "",
    ...(record.interrupted === undefined ? [] : [`**Ended early: ${record.interrupted}.**`, ""]),
    ...(machine.device === undefined ? [] : [describeDevice(machine.device), ""]),
    markdownTable(record.measurements, record),
    "",
    `![plot](${file}.svg)`,
    "",
    `\`${record.command}\`, commit ${record.commit}, ${record.date.slice(0, 10)}; ${settings.join(", ")}.`,
    `${machine.cpu}${features}, ${machine.numCores} cores, ${machine.memoryGiB} GiB, ${machine.platform}; ${software.join(", ")}.`,
    `Raw samples: [${file}.json](${file}.json).`,
    "",
  ].join("\n")
}
