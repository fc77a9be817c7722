import type { TokenCounts, TokenPrice } from "../TokenPrice.ts"

/** By what spend is told apart, and budgets are set. */
export const DIMENSIONS = ["key", "agent", "expert", "domain", "model"] as const
export type Dimension = (typeof DIMENSIONS)[number]

/** On whose account something goes; empty where nobody says. Names come from clients: whoever fills them in bounds their length. */
export type Account = Readonly<Record<Dimension, string>>

/** One attempt to answer a request, as it is kept: never changed, removed only when there are too many. */
export interface LedgerEntry extends Account, TokenCounts {
  /** Attempts of one request share it. */
  readonly requestId: string
  /** When it ended, in ms since 1970. */
  readonly atMs: number
  /** `cancelled`: its client left; what it had used by then is counted. */
  readonly outcome: "done" | "failed" | "cancelled"
  readonly durationMs: number
  /** Mean number of answers that were computed beside it, itself included. */
  readonly numTogether: number
  /** Of its tokens' experts, each token for itself: in a batch several share a read. 0 where an endpoint answered. */
  readonly expertBytes: number
  /** Of our own engine: 0 where an endpoint answered. */
  readonly cpuMs: number
  readonly price: TokenPrice
  readonly costUsd: number
}

/** What entries come to. */
export interface Spend extends TokenCounts {
  /** The value of the dimension that was asked for; empty where none was. */
  readonly name: string
  readonly numRequests: number
  readonly expertBytes: number
  readonly cpuMs: number
  readonly costUsd: number
}

/** Which entries. */
export interface EntryFilter {
  /** From this moment on, and before that one, in ms since 1970. */
  readonly fromMs?: number | undefined
  readonly toMs?: number | undefined
  readonly where?: Partial<Account>
}

export interface SpendQuery extends EntryFilter {
  /** One sum for each value; one of all unless given. */
  readonly by?: Dimension | undefined
}

/** Where entries are kept. What goes wrong in it is thrown. */
export interface LedgerStore {
  /** All of them, or none. */
  append(entries: readonly LedgerEntry[]): void
  /** Dearest first, then by name. */
  spend(query: SpendQuery): readonly Spend[]
  /** In the order in which they were recorded. */
  entries(filter: EntryFilter): Iterable<LedgerEntry>
  close(): void
}
