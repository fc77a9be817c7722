import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import type { BenchRecord } from "./BenchRecord.ts"

/** Returns a reader of records by machine and name. @throws Error from it, naming what there is, where there is no such record */
export function createRecordReader(resultsDir: string): (machine: string, name: string) => BenchRecord {
  return (machine, name) => {
    const path = join(resultsDir, machine, `${name}.json`)
    if (existsSync(path)) return JSON.parse(readFileSync(path, "utf8")) as BenchRecord
    const dir = join(resultsDir, machine)
    const known = existsSync(dir)
      ? readdirSync(dir).flatMap((file) => (file.endsWith(".json") ? [file.slice(0, -".json".length)] : []))
      : readdirSync(resultsDir)
    throw new Error(`there is no record ${machine}/${name}: expected one of ${known.join(", ")}`)
  }
}
