/** `bun run bench <suite>`: runs one suite, shows its progress, and records what it measured. Ctrl-C keeps what is finished. */
import { type Measurement, SUITES, type SuiteOptions } from "@consilium/benchmarks"
import { mkdtempSync, rmSync } from "node:fs"
import { cpus, tmpdir } from "node:os"
import { basename, join, resolve } from "node:path"
import { parseArgs } from "node:util"
import { describeRun, writeRecord } from "./record.ts"

const root = join(import.meta.dir, "../../..")

const HELP = `Usage: bun run bench <suite> [options]

${SUITES.map(({ name, question }) => `  ${name.padEnd(10)} ${question}`).join("\n")}

  --model <dir>       checkpoint to measure (default: the embedded model)
  --format <format>   f32, int8 (default) or int4
  --backend <name>    onnx (default) or reference
  --threads <n>       default: all cores

Example: bun run bench engine --format int4
`

const { values, positionals } = parseArgs({
  args: Bun.argv.slice(2),
  allowPositionals: true,
  options: {
    model: { type: "string" },
    format: { type: "string", default: "int8" },
    backend: { type: "string", default: "onnx" },
    threads: { type: "string" },
    help: { type: "boolean", short: "h", default: false },
  },
})

function fail(message: string): never {
  console.error(message)
  process.exit(1)
}

function oneOf<const T extends string>(name: string, value: string, allowed: readonly T[]): T {
  return allowed.find((item) => item === value) ?? fail(`--${name} ${value}: expected one of ${allowed.join(", ")}`)
}

const suite = SUITES.find(({ name }) => name === positionals[0])
if (values.help || suite === undefined) {
  if (!values.help && positionals[0] !== undefined) console.error(`There is no suite ${positionals[0]}.\n`)
  console.log(HELP)
  process.exit(values.help ? 0 : 1)
}

const numThreads = Number(values.threads ?? cpus().length)
if (!Number.isInteger(numThreads) || numThreads < 1)
  fail(`--threads ${values.threads}: expected a positive whole number`)

const workDir = mkdtempSync(join(tmpdir(), "consilium-bench-"))
const options: SuiteOptions = {
  root,
  modelDir: values.model === undefined ? join(root, "models/consilium-mini") : resolve(values.model),
  cacheDir: workDir,
  format: oneOf("format", values.format, ["f32", "int8", "int4"]),
  backend: oneOf("backend", values.backend, ["onnx", "reference"]),
  formats: ["f32", "int8", "int4"],
  backends: ["onnx", "reference"],
  numThreads,
  flags: {},
  signal: new AbortController().signal,
  expect: () => {},
  report: (line) => console.error(`  ${line}`),
}

const modelName = basename(options.modelDir)
const variant =
  suite.name === "engine" || suite.name === "streams" ? `-${modelName}-${options.format}-${options.backend}` : ""
const measurements: Measurement[] = []

function finish(exitCode: number): never {
  rmSync(workDir, { recursive: true, force: true })
  if (measurements.length > 0) {
    const table = writeRecord(root, `${suite!.name}${variant}`, suite!, {
      suite: suite!.name,
      command: `bun run bench ${Bun.argv
        .slice(2)
        .map((arg) => (arg.startsWith("/") ? basename(arg) : arg))
        .join(" ")}`,
      ...describeRun(root),
      options: { model: modelName, format: options.format, backend: options.backend, threads: numThreads },
      measurements,
    })
    console.log(`\n${suite!.question}\n\n${table}`)
  }
  process.exit(exitCode)
}

process.on("SIGINT", () => finish(130))
for await (const measurement of suite.run(options)) measurements.push(measurement)
finish(0)
