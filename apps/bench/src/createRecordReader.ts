import { BACKENDS } from "@consilium/benchmarks"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import type { BenchRecord } from "./BenchRecord.ts"

/**
 * Returns a reader of records by machine and name; a name that ends before the backend means the fastest that was recorded.
 *
 * @throws Error from it, naming what there is, where there is no such record
 */
export function createRecordReader(resultsDir: string): (machine: string, name: string) => BenchRecord {
  return (machine, name) => {
    const paths = [name, ...BACKENDS.map((backend) => `${name}-${backend}`)].map((file) =>
      join(resultsDir, machine, `${file}.json`),
    )
    const path = paths.find((path) => existsSync(path))
    if (path !== undefined) return JSON.parse(readFileSync(path, "utf8")) as BenchRecord
    const dir = join(resultsDir, machine)
    const known = existsSync(dir)
      ? readdirSync(dir).flatMap((file) => (file.endsWith(".json") ? [file.slice(0, -".json".length)] : []))
      : readdirSync(resultsDir)
    throw new Error(`there is no record ${machine}/${name}: expected one of ${known.join(", ")}`)
  }
}
