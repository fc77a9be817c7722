import type { SparseRates } from "@consilium/cost"
import { existsSync, readFileSync } from "node:fs"
import { cpus } from "node:os"
import { join } from "node:path"
import { UsageError } from "../Command.ts"

const RESULTS_DIR = join(import.meta.dir, "../../../../../benchmarks/results")
/** Fastest first: what `auto` chooses where it can. */
const BACKENDS = ["x64", "onnx", "reference"]

/** What of a record by `bun run bench sparse` is read. */
interface SparseRecord {
  readonly suite: string
  readonly date: string
  readonly machine: { readonly cpu: string; readonly numCores: number }
  readonly measurements: readonly {
    readonly name: string
    readonly contender?: string
    readonly note?: string
    readonly samples: readonly number[]
  }[]
}

/** Measured rates, and where they are from. */
export interface FoundRates {
  readonly path: string
  readonly date: string
  readonly who: string
  readonly rates: SparseRates
}

/** Returns the newest record of a machine with this processor and as many cores; undefined where there is none. */
export function findSparseRecord(): string | undefined {
  if (!existsSync(RESULTS_DIR)) return undefined
  const [processor] = cpus()
  const paths = [...new Bun.Glob("*/sparse.json").scanSync({ cwd: RESULTS_DIR, absolute: true })]
  const ofHere = paths.flatMap((path) => {
    const { date, machine } = readRecord(path)
    const isLike = machine.cpu === processor?.model.trim() && machine.numCores === cpus().length
    return isLike ? [{ path, date }] : []
  })
  return ofHere.toSorted((a, b) => (a.date < b.date ? 1 : -1))[0]?.path
}

/**
 * Reads what `bun run bench sparse` measured in a format, of the fastest backend that is in the record.
 *
 * @throws UsageError where it is no such record, or has nothing of the format
 */
export function readSparseRates(path: string, format: string): FoundRates {
  const { date, measurements } = readRecord(path)
  const has = (backend: string): boolean =>
    measurements.some(({ contender }) => contender === `${backend} ${format}, experts`)
  const backend = BACKENDS.find(has)
  if (backend === undefined) throw new UsageError(`${path}: expected measurements of ${format}, found none`)
  const who = `${backend} ${format}`
  const find = (name: string, network: string) => {
    const found = measurements.find((other) => other.name === name && other.contender === `${who}, ${network}`)
    if (found === undefined) throw new UsageError(`${path}: expected "${name}" of ${who}, ${network}, found none`)
    return found
  }
  const pair = (name: string) => ({ experts: find(name, "experts").samples, dense: find(name, "dense of all").samples })
  const [, topK, numExperts] = /^(\d+) of (\d+) /.exec(find("decode, 1 row", "experts").note ?? "") ?? []
  if (topK === undefined) throw new UsageError(`${path}: expected how many experts were chosen, found nothing`)
  return {
    path,
    date: date.slice(0, 10),
    who,
    rates: {
      numExperts: Number(numExperts),
      topK: Number(topK),
      decode: [
        { numRows: 1, ...pair("decode, 1 row") },
        { numRows: 16, ...pair("decode, 16 rows") },
      ],
      prefill: pair("prefill, 512 rows"),
    },
  }
}

function readRecord(path: string): SparseRecord {
  try {
    const record = JSON.parse(readFileSync(path, "utf8")) as SparseRecord
    if (record.suite !== "sparse") throw new Error(`found one of ${String(record.suite)}`)
    return record
  } catch (error) {
    throw new UsageError(`${path}: expected a record of \`bun run bench sparse\`: ${(error as Error).message}`)
  }
}
