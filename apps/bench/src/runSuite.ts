import type { Measurement } from "@consilium/benchmarks"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join, relative } from "node:path"
import type { BenchRecord } from "./BenchRecord.ts"
import { createProgress } from "./createProgress.ts"
import { currentCommit } from "./currentCommit.ts"
import { describeMachine } from "./describeMachine.ts"
import { markdownTable } from "./markdownTable.ts"
import { type Command, measuredBy } from "./parseCommand.ts"
import { writeRecord } from "./writeRecord.ts"

type SuiteCommand = Extract<Command, { kind: "suite" }>

/** How long a suite has to clean up after Ctrl-C. */
const GRACE_MS = 10_000

/**
 * Runs a suite and records what it measured; returns the exit code.
 *
 * On Ctrl-C what is finished is recorded at once, and the suite is given time to clean up; a second Ctrl-C ends it all.
 */
export async function runSuite(command: SuiteCommand, args: readonly string[]): Promise<number> {
  const { suite, options, recordName } = command
  const progress = createProgress(process.stderr)
  const interruption = new AbortController()
  const cacheDir = mkdtempSync(join(tmpdir(), "consilium-bench-"))
  const measurements: Measurement[] = []
  let numExpected: number | undefined

  const record = (interrupted: string | undefined): void => {
    progress.end()
    if (measurements.length === 0) return
    const made = makeRecord(command, args, measurements, interrupted)
    const path = writeRecord(join(options.root, "benchmarks/results"), recordName, made)
    console.log(`\n${suite.question}\n\n${markdownTable(measurements, suite)}\n`)
    console.log(`recorded: ${relative(options.root, path)}.{md,json,svg}`)
  }
  const interrupt = (): void => {
    if (interruption.signal.aborted) process.exit(130)
    interruption.abort(new Error("interrupted"))
    record(`${measurements.length} of ${numExpected ?? "?"} measurements`)
    setTimeout(() => process.exit(130), GRACE_MS).unref()
  }
  process.on("SIGINT", interrupt)
  process.on("SIGTERM", interrupt)
  process.on("exit", () => rmSync(cacheDir, { recursive: true, force: true }))

  const expect = (numMeasurements: number): void => {
    numExpected = numMeasurements
    progress.expect(numMeasurements)
  }
  try {
    const { signal } = interruption
    for await (const measurement of suite.run({ ...options, cacheDir, signal, expect, report: progress.report })) {
      if (signal.aborted) break
      measurements.push(measurement)
      progress.count()
      // Suites block this thread: let signals in.
      await Bun.sleep(0)
      if (signal.aborted) break
    }
  } catch (error) {
    if (!interruption.signal.aborted) {
      record(`${(error as Error).message}, after ${measurements.length} measurements`)
      console.error((error as Error).stack ?? error)
      return 1
    }
  }
  if (interruption.signal.aborted) return 130
  record(undefined)
  return 0
}

function makeRecord(
  { suite, options }: SuiteCommand,
  args: readonly string[],
  measurements: readonly Measurement[],
  interrupted: string | undefined,
): BenchRecord {
  const { compares, plot, axis, showsTail } = suite
  const takes = measuredBy(suite, options.flags)
  const { formats, backends, format, backend, numThreads } = options
  return {
    suite: suite.name,
    question: suite.question,
    plot,
    ...(axis !== undefined && { axis }),
    ...(showsTail !== undefined && { showsTail }),
    command: `bun run bench ${publicArguments(args).join(" ")}`,
    commit: currentCommit(options.root),
    date: new Date().toISOString(),
    machine: describeMachine(),
    versions: { ...readVersions(options.root), ...suite.versions?.(options) },
    options: {
      ...(takes.includes("model") && { model: suite.modelName?.(options.flags) ?? basename(options.modelDir) }),
      ...(takes.includes("format") && { format: compares ? formats.join(" ") : format }),
      ...(takes.includes("backend") && { backend: compares ? backends.join(" ") : backend }),
      threads: numThreads,
    },
    ...(interrupted !== undefined && { interrupted }),
    measurements,
  }
}

/** Arguments as they may be shown: no keys, and no paths of this machine. */
export function publicArguments(args: readonly string[]): string[] {
  return args.map((arg, i) => {
    if (args[i - 1] === "--api-key") return "…"
    if (arg.startsWith("--api-key=")) return "--api-key=…"
    return arg.replace(/^(--[\w-]+=)?(?:\.{0,2}\/).*$/, (path, flag: string = "") => `${flag}${basename(path)}`)
  })
}

function readVersions(root: string): Record<string, string> {
  const read = (path: string): unknown => JSON.parse(readFileSync(join(root, path), "utf8"))
  const { version } = read("apps/bench/package.json") as { version: string }
  const { workspaces } = read("package.json") as { workspaces: { catalog: Record<string, string> } }
  return { consilium: version, bun: Bun.version, onnxruntime: workspaces.catalog["onnxruntime-node"]! }
}
