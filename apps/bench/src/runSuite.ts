import type { Measurement, SuiteOptions } from "@consilium/benchmarks"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"
import { createProgress, type Progress } from "./createProgress.ts"
import { describeRun, type RunDescription } from "./describeRun.ts"
import { markdownTable } from "./markdownTable.ts"
import type { Command } from "./parseCommand.ts"
import { describeDevice, writeRecord } from "./writeRecord.ts"

type SuiteCommand = Extract<Command, { kind: "suite" }>

/** How long a suite has to clean up after Ctrl-C. */
const GRACE_MS = 10_000
/** What shells return for a program that Ctrl-C ended. */
const INTERRUPTED = 130

/**
 * Runs a suite and records what it measured; returns the exit code.
 *
 * On Ctrl-C what is finished is recorded at once, and the suite is given time to clean up; a second Ctrl-C ends it all. A suite that
 * throws loses nothing that it measured before.
 */
export async function runSuite(command: SuiteCommand, args: readonly string[]): Promise<number> {
  const { suite, options, recordName } = command
  const run = describe(command, args)
  if (run === undefined) return 1
  const progress = createProgress(process.stderr)
  const cacheDir = mkdtempSync(join(tmpdir(), "consilium-bench-"))
  const removeCache = (): void => rmSync(cacheDir, { recursive: true, force: true })
  const measurements: Measurement[] = []

  const record = (interrupted?: string): void => {
    progress.end()
    if (measurements.length === 0) return
    const made = { ...run, ...(interrupted !== undefined && { interrupted }), measurements }
    const path = writeRecord(join(options.root, "benchmarks/results"), recordName, made)
    const { device } = run.machine
    console.log(`\n${suite.question}\n\n${markdownTable(measurements, suite)}\n`)
    if (device !== undefined) console.log(`${describeDevice(device)}\n`)
    console.log(`recorded: ${relative(options.root, path)}.{md,json,svg}`)
  }
  const { signal, stopListening } = listenForInterrupt(() => record(`interrupted after ${progress.done()}`))
  process.on("exit", removeCache)
  try {
    await collect(command, { cacheDir, signal }, progress, measurements)
    if (signal.aborted) return INTERRUPTED
    record()
    return 0
  } catch (error) {
    if (signal.aborted) return INTERRUPTED
    record(`${(error as Error).message}, after ${progress.done()}`)
    console.error((error as Error).stack ?? error)
    return 1
  } finally {
    stopListening()
    process.off("exit", removeCache)
    removeCache()
  }
}

/** Describes the run; where the machine lacks what it is to run on, says so and returns undefined. */
function describe(command: SuiteCommand, args: readonly string[]): RunDescription | undefined {
  try {
    return describeRun(command, args)
  } catch (error) {
    console.error((error as Error).message)
    return undefined
  }
}

async function collect(
  { suite, options }: SuiteCommand,
  run: Pick<SuiteOptions, "cacheDir" | "signal">,
  progress: Progress,
  measurements: Measurement[],
): Promise<void> {
  const { expect, report, count } = progress
  for await (const measurement of suite.run({ ...options, ...run, expect, report })) {
    // What comes after the record was written is not in it.
    if (run.signal.aborted) return
    measurements.push(measurement)
    count()
    // Suites block this thread: let signals in.
    await Bun.sleep(0)
  }
}

/** Calls back at the first Ctrl-C and aborts; ends the process at the second, or when there is no end to waiting. */
function listenForInterrupt(onInterrupt: () => void): { readonly signal: AbortSignal; stopListening(): void } {
  const interruption = new AbortController()
  let timer: Timer | undefined
  const interrupt = (): void => {
    if (interruption.signal.aborted) process.exit(INTERRUPTED)
    interruption.abort(new Error("interrupted"))
    onInterrupt()
    timer = setTimeout(() => process.exit(INTERRUPTED), GRACE_MS)
  }
  const signals = ["SIGINT", "SIGTERM"] as const
  for (const name of signals) process.on(name, interrupt)
  return {
    signal: interruption.signal,
    stopListening() {
      clearTimeout(timer)
      for (const name of signals) process.off(name, interrupt)
    },
  }
}
