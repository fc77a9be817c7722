import { BACKENDS } from "@consilium/benchmarks"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import type { BenchRecord } from "./BenchRecord.ts"

/** Returns a machine's record of a name, undefined where there is none; a name that ends before the backend means the fastest that was recorded. */
export function findRecord(resultsDir: string, machine: string, name: string): BenchRecord | undefined {
  const path = [name, ...BACKENDS.map((backend) => `${name}-${backend}`)]
    .map((file) => join(resultsDir, machine, `${file}.json`))
    .find((path) => existsSync(path))
  return path === undefined ? undefined : (JSON.parse(readFileSync(path, "utf8")) as BenchRecord)
}

/**
 * Returns a reader of records that must be there.
 *
 * @throws Error from it, naming what there is, where there is no such record
 */
export function createRecordReader(resultsDir: string): (machine: string, name: string) => BenchRecord {
  return (machine, name) => {
    const found = findRecord(resultsDir, machine, name)
    if (found !== undefined) return found
    const dir = join(resultsDir, machine)
    const known = existsSync(dir)
      ? readdirSync(dir).flatMap((file) => (file.endsWith(".json") ? [file.slice(0, -".json".length)] : []))
      : readdirSync(resultsDir)
    throw new Error(`there is no record ${machine}/${name}: expected one of ${known.join(", ")}`)
  }
}
