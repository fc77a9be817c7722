import {
  BACKENDS,
  type BenchedBackend,
  FORMATS,
  GPU,
  runnableBackends,
  type Suite,
  type SuiteOptions,
} from "@consilium/benchmarks"
import { availableParallelism } from "node:os"
import { basename, join, resolve } from "node:path"
import { parseArgs } from "node:util"

/** What the command line asked for. */
export type Command =
  | { readonly kind: "help"; readonly text: string }
  /** Writes the README's figures anew from the records, those of another machine where one is named. */
  | { readonly kind: "readme"; readonly machine: string | undefined }
  /** Runs everything that the README shows. */
  | { readonly kind: "figures" }
  | { readonly kind: "suite"; readonly suite: Suite; readonly options: AskedOptions; readonly recordName: string }

/** What a suite is asked for by the command line; the app adds what it needs to run. */
type AskedOptions = Omit<SuiteOptions, "cacheDir" | "signal" | "expect" | "report">

const COMMON = {
  model: { value: "<dir>", purpose: "checkpoint to measure; the embedded model unless given" },
  format: { value: "<format>", purpose: `${FORMATS.join(", ")}` },
  backend: { value: "<name>", purpose: undefined },
} as const
const THREADS = { name: "threads", value: "<n>", purpose: "threads of every product; all cores unless given" }

/**
 * Parses `bun run bench …`.
 *
 * @throws Error on an unknown suite, an option that the suite does not take, or a value that it cannot be: with what was expected
 */
export function parseCommand(args: readonly string[], suites: readonly Suite[], root: string): Command {
  const [name, ...rest] = args
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    return { kind: "help", text: overview(suites) }
  }
  if (name === "readme") return { kind: "readme", machine: parseFlags(rest, ["machine"], "readme").machine }
  if (name === "figures") {
    parseFlags(rest, [], "figures")
    return { kind: "figures" }
  }
  const suite = suites.find((suite) => suite.name === name)
  if (suite === undefined) {
    const known = [...suites.map(({ name }) => name), "figures", "readme"]
    throw new Error(`there is no suite ${name}: expected one of ${known.join(", ")}`)
  }
  if (rest.includes("--help") || rest.includes("-h")) return { kind: "help", text: helpOf(suite) }
  return parseSuite(suite, rest, root)
}

function parseSuite(suite: Suite, args: readonly string[], root: string): Command {
  const own = suite.flags.map(({ name }) => name)
  const values = parseFlags(args, [...suite.takes, "threads", ...own], suite.name)
  const format = values.format === undefined ? undefined : oneOf("format", values.format, FORMATS)
  const backend = values.backend === undefined ? undefined : oneOf("backend", values.backend, backendsOf(suite))
  const numThreads = values.threads === undefined ? availableParallelism() : wholeNumber("threads", values.threads)
  const runnable = runnableBackends()
  const options: AskedOptions = {
    root,
    modelDir: values.model === undefined ? join(root, "models/consilium-mini") : resolve(values.model),
    format: format ?? "int8",
    backend: backend ?? runnable[0],
    formats: format === undefined ? FORMATS : [format],
    backends: backend === undefined ? runnable : [backend],
    numThreads,
    flags: Object.fromEntries(own.flatMap((name) => (values[name] === undefined ? [] : [[name, values[name]]]))),
  }
  const variant = suite.variant?.(options)
  const takes = measuredBy(suite, options.flags)
  for (const name of suite.takes) {
    if (values[name] === undefined || takes.includes(name)) continue
    throw new Error(`--${name} ${values[name]}: expected none, for the service that is measured is not ours`)
  }
  const recordName = [
    suite.name,
    ...(takes.includes("model") ? [suite.modelName?.(options.flags) ?? basename(options.modelDir)] : []),
    ...(variant === undefined ? [] : [variant]),
    ...(takes.includes("format") && (!suite.compares || format !== undefined) ? [options.format] : []),
    ...(takes.includes("backend") && (!suite.compares || backend !== undefined) ? [options.backend] : []),
    ...(values.threads === undefined ? [] : [`${numThreads}t`]),
  ]
    .join("-")
    .toLowerCase()
    .replaceAll(/[^a-z0-9.]+/g, "-")
  return { kind: "suite", suite, options, recordName }
}

function backendsOf({ runsOnGpu }: Suite): readonly BenchedBackend[] {
  return runsOnGpu === true ? [...BACKENDS, GPU] : BACKENDS
}

/** Returns which of the common options say something of a run. */
export function measuredBy(suite: Suite, flags: SuiteOptions["flags"]): Suite["takes"] {
  return suite.isForeign?.(flags) ? [] : suite.takes
}

/** Parses `--name value` pairs of the names given. @throws Error on any other */
function parseFlags(
  args: readonly string[],
  names: readonly string[],
  suite: string,
): Record<string, string | undefined> {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: Object.fromEntries(names.map((name) => [name, { type: "string" as const }])),
    })
    return values as Record<string, string | undefined>
  } catch (error) {
    const takes = names.length === 0 ? "no options" : names.map((name) => `--${name}`).join(", ")
    throw new Error(`${(error as Error).message.split(". ")[0]}: ${suite} takes ${takes}`, { cause: error })
  }
}

function oneOf<const T extends string>(name: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((item) => item === value)
  if (found === undefined) throw new Error(`--${name} ${value}: expected one of ${allowed.join(", ")}`)
  return found
}

function wholeNumber(name: string, value: string): number {
  const number = Number(value)
  if (!Number.isInteger(number) || number < 1) throw new Error(`--${name} ${value}: expected a positive whole number`)
  return number
}

function overview(suites: readonly Suite[]): string {
  return `Usage: bun run bench <suite> [options]

${suites.map(({ name, question }) => `  ${name.padEnd(10)} ${question}`).join("\n")}

  figures    Runs everything that the README shows, into benchmarks/results of this machine.
  readme     Writes the README's figures anew from the records; --machine <name> takes those of another machine.

Options of a suite: bun run bench <suite> --help
Example: bun run bench engine --format int4
`
}

function helpOf(suite: Suite): string {
  const common = suite.takes.map((name) => {
    const { value } = COMMON[name]
    const purpose = name === "backend" ? backendsOf(suite).join(", ") : COMMON[name].purpose
    const fallback =
      name === "model"
        ? ""
        : suite.compares
          ? " (all unless given)"
          : name === "format"
            ? " (int8)"
            : ` (${runnableBackends()[0]})`
    return { name, value, purpose: `${purpose}${fallback}` }
  })
  const flags = [...common, THREADS, ...suite.flags]
  const width = Math.max(...flags.map(({ name, value }) => name.length + value.length)) + 4
  return `Usage: bun run bench ${suite.name} [options]

${suite.question}

${flags.map(({ name, value, purpose }) => `  ${`--${name} ${value}`.padEnd(width)} ${purpose}`).join("\n")}
`
}
