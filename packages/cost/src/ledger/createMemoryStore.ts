import type { EntryFilter, LedgerEntry, LedgerStore, Spend } from "./LedgerEntry.ts"
import { DIMENSIONS } from "./LedgerEntry.ts"

/** Entries that are taken away together: one by one would shift all others each time. */
const REMOVED_AT_ONCE = 1000

/** Keeps entries in memory, summed by plain loops: what the SQLite store must agree with, and what stands in for it. */
export function createMemoryStore(maxEntries: number): LedgerStore {
  const all: LedgerEntry[] = []
  return {
    append(entries) {
      all.push(...entries)
      const excess = all.length - maxEntries
      if (excess >= Math.min(REMOVED_AT_ONCE, maxEntries)) all.splice(0, excess)
    },
    spend: ({ by, ...filter }) => {
      const sums = new Map<string, SpendSum>()
      for (const entry of all) {
        if (!isIn(entry, filter)) continue
        const name = by === undefined ? "" : entry[by]
        const sum = sums.get(name) ?? { spend: noSpend(name), requestIds: new Set() }
        sum.requestIds.add(entry.requestId)
        sum.spend = addSpend(sum.spend, { ...entry, numRequests: 0 })
        sums.set(name, sum)
      }
      return dearestFirst(
        [...sums.values()].map(({ spend, requestIds }) => ({ ...spend, numRequests: requestIds.size })),
      )
    },
    entries: (filter) => all.filter((entry) => isIn(entry, filter)),
    close() {},
  }
}

interface SpendSum {
  spend: Spend
  readonly requestIds: Set<string>
}

function isIn(entry: LedgerEntry, { fromMs = 0, toMs = Number.POSITIVE_INFINITY, where = {} }: EntryFilter): boolean {
  const isThen = entry.atMs >= fromMs && entry.atMs < toMs
  return (
    isThen && DIMENSIONS.every((dimension) => where[dimension] === undefined || where[dimension] === entry[dimension])
  )
}

function noSpend(name: string): Spend {
  return {
    name,
    numRequests: 0,
    promptTokens: 0,
    cachedTokens: 0,
    generatedTokens: 0,
    expertBytes: 0,
    cpuMs: 0,
    costUsd: 0,
  }
}

function addSpend(a: Spend, b: Omit<Spend, "name">): Spend {
  return {
    name: a.name,
    numRequests: a.numRequests + b.numRequests,
    promptTokens: a.promptTokens + b.promptTokens,
    cachedTokens: a.cachedTokens + b.cachedTokens,
    generatedTokens: a.generatedTokens + b.generatedTokens,
    expertBytes: a.expertBytes + b.expertBytes,
    cpuMs: a.cpuMs + b.cpuMs,
    costUsd: a.costUsd + b.costUsd,
  }
}

function dearestFirst(spends: readonly Spend[]): readonly Spend[] {
  return spends.toSorted((a, b) => b.costUsd - a.costUsd || (a.name < b.name ? -1 : 1))
}

/** Returns the sums of two stores as one. A request of which both hold attempts counts twice. */
export function joinSpends(a: readonly Spend[], b: readonly Spend[]): readonly Spend[] {
  const joined = new Map(a.map((spend) => [spend.name, spend]))
  for (const spend of b) joined.set(spend.name, addSpend(joined.get(spend.name) ?? noSpend(spend.name), spend))
  return dearestFirst([...joined.values()])
}
