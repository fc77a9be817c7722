import type { Suite } from "@consilium/benchmarks"
import { afterEach, beforeEach, expect, spyOn, test } from "bun:test"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { BenchRecord } from "./BenchRecord.ts"
import { publicArguments } from "./describeRun.ts"
import { parseCommand } from "./parseCommand.ts"
import { runSuite } from "./runSuite.ts"

let root: string
let quiet: { mockRestore(): void }[]
beforeEach(() => {
  quiet = [spyOn(console, "log"), spyOn(console, "error"), spyOn(process.stderr, "write")].map((spy) =>
    spy.mockImplementation((() => true) as never),
  )
  root = mkdtempSync(join(tmpdir(), "consilium-run-"))
  mkdirSync(join(root, "apps/bench"), { recursive: true })
  writeFileSync(join(root, "apps/bench/package.json"), '{"version":"0.1.0"}')
  writeFileSync(join(root, "package.json"), '{"workspaces":{"catalog":{"onnxruntime-node":"1.0.0"}}}')
})
afterEach(() => {
  for (const spy of quiet) spy.mockRestore()
  rmSync(root, { recursive: true, force: true })
})

function run(suiteRun: Suite["run"], change: Partial<Suite> = {}): Promise<number> {
  const suite: Suite = {
    name: "fake",
    question: "?",
    takes: [],
    compares: false,
    flags: [],
    plot: "bars",
    ...change,
    run: suiteRun,
  }
  const command = parseCommand(["fake"], [suite], root)
  if (command.kind !== "suite") throw new Error("expected a suite")
  return runSuite(command, ["fake"])
}

/** Files of the one machine that recorded, and the record among them. */
function recorded(): { files: string[]; record: BenchRecord } {
  const results = join(root, "benchmarks/results")
  const dir = join(results, readdirSync(results)[0]!)
  const files = readdirSync(dir).sort()
  return { files, record: JSON.parse(readFileSync(join(dir, files[0]!), "utf8")) as BenchRecord }
}

const one = { name: "one", unit: "ms", samples: [1] } as const
const two = { name: "two", unit: "ms", samples: [2] } as const

test("runSuite: records all of a whole run, and takes its cache away", async () => {
  let cache = ""
  const code = await run(async function* ({ cacheDir, expect }) {
    cache = cacheDir
    writeFileSync(join(cacheDir, "big"), "")
    expect(2)
    yield one
    yield two
  })
  expect(code).toBe(0)
  const { files, record } = recorded()
  expect(files).toEqual(["fake.json", "fake.md", "fake.svg"])
  expect(record.measurements).toEqual([one, two])
  expect(record.versions).toMatchObject({ bun: Bun.version, onnxruntime: "1.0.0" })
  expect(() => readdirSync(cache)).toThrow()
})

test("runSuite: Ctrl-C keeps what is finished, and the suite cleans up", async () => {
  let isClean = false
  const code = await run(async function* ({ signal, expect }) {
    try {
      expect(3)
      yield one
      yield two
      process.emit("SIGINT")
      signal.throwIfAborted()
      yield one
    } finally {
      isClean = true
    }
  })
  expect({ code, isClean }).toEqual({ code: 130, isClean: true })
  const { files, record } = recorded()
  expect(files).toEqual(["fake.partial.json", "fake.partial.md", "fake.partial.svg"])
  expect(record.interrupted).toBe("interrupted after 2 of 3 measurements")
  expect(record.measurements).toEqual([one, two])
})

test("runSuite: a suite that throws keeps what it measured before", async () => {
  const code = await run(async function* () {
    yield one
    throw new Error("no such kernel")
  })
  expect(code).toBe(1)
  expect(recorded().record.interrupted).toBe("no such kernel, after 1 measurements")
})

test("runSuite: a machine without the device that a suite computes on is told so, and records nothing", async () => {
  const findDevice = (): never => {
    throw new Error("expected an adapter, found none")
  }
  let hasRun = false
  const measure = async function* () {
    hasRun = true
    yield one
  }
  expect(await run(measure, { findDevice })).toBe(1)
  expect(hasRun).toBe(false)
  expect(console.error).toHaveBeenCalledWith("expected an adapter, found none")
  expect(readdirSync(root)).not.toContain("benchmarks")
})

test("runSuite: listens to Ctrl-C while it runs only", async () => {
  const before = process.listenerCount("SIGINT")
  await run(async function* () {
    expect(process.listenerCount("SIGINT")).toBe(before + 1)
    yield one
  })
  expect(process.listenerCount("SIGINT")).toBe(before)
})

test("publicArguments: shows no key and no path of this machine", () => {
  expect(publicArguments(["serve", "--api-key", "secret", "--trace", "/home/me/azure.csv"])).toEqual([
    "serve",
    "--api-key",
    "…",
    "--trace",
    "azure.csv",
  ])
  expect(publicArguments(["--api-key=secret", "--model=../x/y", "--url", "http://127.0.0.1/v1"])).toEqual([
    "--api-key=…",
    "--model=y",
    "--url",
    "http://127.0.0.1/v1",
  ])
})
