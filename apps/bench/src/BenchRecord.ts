import type { Measurement, Suite } from "@consilium/benchmarks"
import type { Machine } from "./describeMachine.ts"

/** Everything a reader needs to doubt a figure, and everything that tables and plots are made of. */
export interface BenchRecord {
  readonly suite: string
  readonly question: string
  readonly plot: Suite["plot"]
  readonly axis?: string
  readonly showsTail?: boolean
  readonly command: string
  readonly commit: string
  readonly date: string
  readonly machine: Machine
  readonly versions: Readonly<Record<string, string>>
  readonly options: Readonly<Record<string, string | number>>
  /** Where the run was ended early: what it lacks. */
  readonly interrupted?: string
  readonly measurements: readonly Measurement[]
}
