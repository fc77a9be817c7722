/** What one process of the online measurement is told. */
export interface PagedStart {
  readonly preparedDir: string
  readonly sourceDir: string
  readonly numThreads: number
  /** Who decides what is in memory: our store, or the system, by mapped files. */
  readonly pager: "store" | "mmap"
  /** Share of the experts that memory holds. */
  readonly share: number
  /** Steps, the warm ones at the beginning included. */
  readonly numSteps: number
  readonly numWarmSteps: number
  /** Share of a layer's experts that are foreseen. */
  readonly lookahead: number
  readonly seed: number
  /** Limits this process's memory, page cache included; a directory that does not exist yet. */
  readonly cgroup: string | undefined
}

/** What it says. */
export interface PagedResult {
  /** Milliseconds of each step after the warm ones. */
  readonly stepsMs: readonly number[]
  /** In these steps: experts needed, bytes read to wake experts, those of them that were read ahead. */
  readonly numNeeded: number
  readonly readBytes: number
  readonly aheadBytes: number
  readonly expertBytes: number
  /** Bytes a second that the disk gives when experts are all that is read, many at once. */
  readonly diskBytesPerSec: number
  readonly residentBytes: number
  /** What `share` allows the process beside its reserve, the reserve included. */
  readonly limitBytes: number
}
