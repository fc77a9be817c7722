import type { Measurement, Suite } from "@consilium/benchmarks"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { cpus, totalmem } from "node:os"
import { join } from "node:path"
import { markdownTable } from "./summary.ts"

/** Everything a reader needs to doubt a figure. */
export interface BenchRecord {
  readonly suite: string
  readonly command: string
  readonly commit: string
  readonly date: string
  readonly machine: {
    readonly cpu: string
    readonly numCores: number
    readonly memoryGiB: number
    readonly platform: string
  }
  readonly versions: { readonly bun: string; readonly consilium: string }
  readonly options: Readonly<Record<string, string | number>>
  readonly measurements: readonly Measurement[]
}

/** Names the commit that was measured; `+` where files differ from it. */
function currentCommit(root: string): string {
  const git = (...args: string[]): string =>
    Bun.spawnSync(["git", ...args], { cwd: root })
      .stdout.toString()
      .trim()
  const dirty =
    git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!benchmarks/results") === "" ? "" : "+"
  return `${git("rev-parse", "--short", "HEAD")}${dirty}`
}

/** Writes `<name>.json` and `<name>.md` to benchmarks/results; returns the table. */
export function writeRecord(root: string, name: string, suite: Suite, record: BenchRecord): string {
  const dir = join(root, "benchmarks/results")
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, `${name}.json`), `${JSON.stringify(record, undefined, 1)}\n`)

  const table = markdownTable(record.measurements)
  const { machine, options } = record
  const settings = Object.entries(options).map(([key, value]) => `${key} ${value}`)
  const text = [
    `# ${name}`,
    "",
    suite.question,
    "",
    table,
    "",
    `\`${record.command}\`, commit ${record.commit}, ${record.date.slice(0, 10)}, ${settings.join(", ")}. ${machine.cpu}, ` +
      `${machine.numCores} cores, ${machine.memoryGiB} GiB, ${machine.platform}, Bun ${record.versions.bun}. ` +
      `Raw samples: [${name}.json](${name}.json).`,
    "",
  ].join("\n")
  writeFileSync(join(dir, `${name}.md`), text)
  return table
}

/** Describes the machine and versions of this run. */
export function describeRun(root: string): Pick<BenchRecord, "commit" | "date" | "machine" | "versions"> {
  const processors = cpus()
  const { version } = JSON.parse(readFileSync(join(root, "apps/bench/package.json"), "utf8")) as { version: string }
  return {
    commit: currentCommit(root),
    date: new Date().toISOString(),
    machine: {
      cpu: processors[0]?.model.trim() ?? "unknown",
      numCores: processors.length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      platform: `${process.platform} ${process.arch}`,
    },
    versions: { bun: Bun.version, consilium: version },
  }
}
