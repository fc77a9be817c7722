/** What a suite measured once: raw samples, so that anybody can compute what we did not. */
export interface Measurement {
  readonly name: string
  readonly unit: "tok/s" | "ms" | "MiB"
  /** In the order taken. */
  readonly samples: readonly number[]
  readonly note?: string
}

/** What a run was asked for. */
export interface SuiteOptions {
  /** The repository's root. */
  readonly root: string
  /** A checkpoint directory; the embedded model unless given. */
  readonly modelDir: string
  readonly cacheDir: string
  readonly format: "f32" | "int8" | "int4"
  readonly backend: "reference" | "onnx"
  readonly numThreads: number
  /** Says what is going on, for a person who waits. */
  readonly report: (line: string) => void
}

/** One question, answered by measurements. */
export interface Suite {
  readonly name: string
  readonly question: string
  run(options: SuiteOptions): AsyncIterable<Measurement>
}
