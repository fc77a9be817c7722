import { mkdirSync } from "node:fs"
import { dirname } from "node:path"
import { createMemoryStore, joinSpends } from "./createMemoryStore.ts"
import type { LedgerEntry, LedgerStore, Spend, SpendQuery } from "./LedgerEntry.ts"
import { openSqliteStore } from "./openSqliteStore.ts"

/** What was spent, by whom and on what. It throws nothing: no request is lost for its sake. */
export interface Ledger {
  record(entry: LedgerEntry): void
  spend(query?: SpendQuery): readonly Spend[]
  close(): void
}

/** Some 220 MB as a file. */
const MAX_ENTRIES = 1_000_000
/** Kept in memory while a file cannot be written; the oldest go first. */
const MAX_KEPT = 100_000
const RETRY_MS = 60_000

export interface LedgerOptions {
  /** A SQLite file, made where there is none. Without one nothing is kept: accounts count for themselves as long as they live. */
  readonly path: string | undefined
  /** Is told in one line of what goes wrong, and when it goes right again. */
  readonly say: (line: string) => void
}

/** Opens a ledger. A file that cannot be opened or written is left as it is, and tried again each minute; entries are kept in memory meanwhile. */
export function openLedger({ path, say }: LedgerOptions): Ledger {
  if (path === undefined) return { record() {}, spend: () => [], close() {} }
  const open = (): LedgerStore => {
    mkdirSync(dirname(path), { recursive: true })
    return openSqliteStore(path, MAX_ENTRIES)
  }
  return createLedger(open, path, { say, nowMs: Date.now })
}

/**
 * Makes a ledger of a store that may fail.
 *
 * @param open  returns the store, or throws
 * @param where names it in what is said
 */
export function createLedger(
  open: () => LedgerStore,
  where: string,
  { say, nowMs }: { readonly say: (line: string) => void; readonly nowMs: () => number },
): Ledger {
  let store: LedgerStore | undefined
  /** What the store could not take. */
  let kept: LedgerStore | undefined
  let nextTryMs = 0

  const fail = (error: unknown): void => {
    nextTryMs = nowMs() + RETRY_MS
    if (kept !== undefined) return
    kept = createMemoryStore(MAX_KEPT)
    say(
      `${where}: the ledger cannot be written (${(error as Error).message}): it goes on in memory, and tries again each minute`,
    )
  }
  /** Brings what was kept into the store. */
  const recover = (): void => {
    if (kept === undefined || nowMs() < nextTryMs) return
    try {
      store ??= open()
      store.append([...kept.entries({})])
      kept = undefined
      say(`${where}: the ledger is written again`)
    } catch (error) {
      fail(error)
    }
  }
  /** What cannot be read counts as nothing. */
  const stored = (query: SpendQuery): readonly Spend[] => {
    try {
      return store?.spend(query) ?? []
    } catch (error) {
      fail(error)
      return []
    }
  }

  try {
    store = open()
  } catch (error) {
    fail(error)
  }
  return {
    record(entry) {
      if (kept === undefined) {
        try {
          return store!.append([entry])
        } catch (error) {
          fail(error)
        }
      }
      kept!.append([entry])
      recover()
    },
    spend(query = {}) {
      const sums = stored(query)
      return kept === undefined ? sums : joinSpends(sums, kept.spend(query))
    },
    close() {
      nextTryMs = 0
      recover()
      store?.close()
    },
  }
}
