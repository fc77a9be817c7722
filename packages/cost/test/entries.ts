import fc from "fast-check"
import type { LedgerEntry } from "../src/ledger/LedgerEntry.ts"

const FREE = { inputUsdPerMillion: 0, cachedUsdPerMillion: 0, outputUsdPerMillion: 0 }

/** An answered request that cost nothing, but for what is given. */
export function entryOf(given: Partial<LedgerEntry>): LedgerEntry {
  return {
    requestId: "r",
    atMs: 0,
    outcome: "done",
    key: "",
    agent: "",
    expert: "",
    domain: "",
    model: "",
    promptTokens: 0,
    cachedTokens: 0,
    generatedTokens: 0,
    durationMs: 0,
    numTogether: 1,
    expertBytes: 0,
    cpuMs: 0,
    price: FREE,
    costUsd: 0,
    ...given,
  }
}

const name = fc.constantFrom("", "a", "b", "c")
const count = fc.integer({ min: 0, max: 100_000 })
const amount = fc.integer({ min: 0, max: 100_000 }).map((value) => value / 100)

export const ledgerEntry: fc.Arbitrary<LedgerEntry> = fc
  .record({
    requestId: fc.constantFrom("1", "2", "3", "4", "5", "6"),
    atMs: fc.integer({ min: 0, max: 10 }),
    outcome: fc.constantFrom("done", "failed", "cancelled"),
    key: name,
    agent: name,
    expert: name,
    domain: name,
    model: name,
    promptTokens: count,
    cachedTokens: count,
    generatedTokens: count,
    durationMs: amount,
    numTogether: amount,
    expertBytes: count,
    cpuMs: amount,
    costUsd: amount,
  })
  .map((entry) => entryOf(entry))
