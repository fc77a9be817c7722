import type { Format } from "@consilium/kernels"
import type { BenchedBackend } from "./createBackend.ts"

/** Every weight format, for suites that compare them. */
export const FORMATS: readonly Format[] = ["f32", "int8", "int4"]

/** Units of samples, and which way is better: ratios are times better. */
export const UNITS = {
  "tok/s": "higher",
  "req/s": "higher",
  GOPS: "higher",
  "GB/s": "higher",
  "%": "higher",
  "×": "higher",
  streams: "higher",
  ms: "lower",
  s: "lower",
  waits: "lower",
  MiB: "lower",
  count: "lower",
  nats: "lower",
  "max/mean": "lower",
  "GiB·h": "lower",
  $: "lower",
} as const

export type Unit = keyof typeof UNITS

/** What a suite measured once: raw samples, so that anybody can compute what we did not. */
export interface Measurement {
  /** What was done ("decode, 16 streams"): measurements of one name are compared with each other. */
  readonly name: string
  /** Who did it ("onnx int4", "plain loop"), where there are several. Name, contender, unit and place (`at`) together are unique. */
  readonly contender?: string
  readonly unit: Unit
  readonly samples: readonly number[]
  /** Whom ratios are taken against: measurements of the same unit and, unless a name is given, of the same name and place. */
  readonly comparedWith?: readonly { readonly name?: string; readonly contender: string }[]
  /** Place on the horizontal axis of a line plot: rows, tokens. */
  readonly at?: number
  readonly note?: string
}

/** An option that one suite takes beside those that all take. */
export interface SuiteFlag {
  /** Without the dashes. */
  readonly name: string
  /** What stands behind it in the help: `<file.csv>`. */
  readonly value: string
  readonly purpose: string
}

/** What a run was asked for. */
export interface SuiteOptions {
  /** The repository's root. */
  readonly root: string
  /** A checkpoint directory; the embedded model unless given. */
  readonly modelDir: string
  readonly cacheDir: string
  /** The one format and backend of suites that measure one at a time. */
  readonly format: Format
  readonly backend: BenchedBackend
  /** The formats and backends of suites that compare: those asked for, else all. */
  readonly formats: readonly Format[]
  readonly backends: readonly BenchedBackend[]
  readonly numThreads: number
  /** Values of the suite's own flags, by name; absent where not given. */
  readonly flags: Readonly<Record<string, string>>
  /** Aborted when the user has had enough: end what runs and clean up. */
  readonly signal: AbortSignal
  /** Says how many measurements the run will yield, once that is known. */
  readonly expect: (numMeasurements: number) => void
  /** Says what is going on, for a person who waits. */
  readonly report: (line: string) => void
}

/** What a run computes on beside the processor. */
export interface Device {
  /** In a word: `nvidia-geforce-rtx-4090`. */
  readonly model: string
  /** As its driver names itself. */
  readonly name: string
  /** Computed by the processor: figures say nothing of speed. */
  readonly isSoftware: boolean
}

/** One question, answered by measurements. */
export interface Suite {
  readonly name: string
  readonly question: string
  /** Which of the common options it takes. Those that it takes name its record. */
  readonly takes: readonly ("model" | "format" | "backend")[]
  /** Whether format and backend are compared in one run, all unless one is asked for, rather than measured one at a time. */
  readonly compares: boolean
  readonly flags: readonly SuiteFlag[]
  /** Whether it also runs on the backend of a GPU, where one asks for it. */
  readonly runsOnGpu?: boolean
  /** Bars for each name and contender, or lines over `at`. */
  readonly plot: "bars" | "lines"
  /** What `at` counts, for the axis of lines. */
  readonly axis?: string
  /** Shows p99 beside p10–p90: for latencies of many requests. */
  readonly showsTail?: boolean
  /** Whether flags ask for someone else's service: model, format and backend then say nothing, and are refused. */
  isForeign?(flags: SuiteOptions["flags"]): boolean
  /** Names the model where a flag of the suite's own stands for another than `--model`. @throws Error saying what the flag expects */
  modelName?(flags: SuiteOptions["flags"]): string | undefined
  /** What else names the record, from the suite's own flags: `qwen3-30b-a3b`. @throws Error saying what a flag expects */
  variant?(options: Pick<SuiteOptions, "flags" | "modelDir">): string | undefined
  /** Versions of the peers that run beside us, for the record. */
  versions?(options: Pick<SuiteOptions, "root" | "flags" | "backend">): Readonly<Record<string, string>>
  /** Finds the device that it computes on; undefined where that is the processor. @throws Error in one line where there is none */
  findDevice?(options: Pick<SuiteOptions, "backend">): Device | undefined
  run(options: SuiteOptions): AsyncIterable<Measurement>
}
