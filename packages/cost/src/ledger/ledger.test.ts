import { Database } from "bun:sqlite"
import { afterAll, describe, expect, test } from "bun:test"
import fc from "fast-check"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { entryOf, ledgerEntry } from "../../test/entries.ts"
import { createMemoryStore } from "./createMemoryStore.ts"
import { keyIdOf } from "./keyIdOf.ts"
import { DIMENSIONS, type LedgerEntry, type LedgerStore, type Spend, type SpendQuery } from "./LedgerEntry.ts"
import { createLedger, openLedger } from "./openLedger.ts"
import { createSqliteStore, openSqliteStore } from "./openSqliteStore.ts"

const dir = mkdtempSync(join(tmpdir(), "consilium-ledger-"))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** Equal but for the order in which floats were added. */
function expectSame(spends: readonly Spend[], expected: readonly Spend[]): void {
  expect(spends.length).toBe(expected.length)
  for (const spend of expected) {
    const other = spends.find(({ name }) => name === spend.name)!
    for (const [key, value] of Object.entries(spend)) {
      const found = other[key as keyof Spend]
      if (typeof value === "string") expect(found).toBe(value)
      else expect(Math.abs((found as number) - value)).toBeLessThanOrEqual(1e-9 * Math.max(1, value))
    }
  }
}

describe("stores", () => {
  test("SQLite gives the sums and entries that plain loops do, by any dimension and time", () => {
    const query: fc.Arbitrary<SpendQuery> = fc.record(
      {
        by: fc.constantFrom(...DIMENSIONS),
        fromMs: fc.integer({ min: 0, max: 10 }),
        toMs: fc.integer({ min: 0, max: 10 }),
        where: fc.record({ agent: fc.constantFrom("a", "b", "") }, { requiredKeys: [] }),
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(fc.array(ledgerEntry, { maxLength: 30 }), query, (entries, query) => {
        const [plain, sqlite] = [
          createMemoryStore(1000),
          createSqliteStore(new Database(":memory:", { strict: true }), 1000),
        ]
        for (const entry of entries) for (const store of [plain, sqlite]) store.append([entry])
        expectSame(sqlite.spend(query), plain.spend(query))
        expect([...sqlite.entries(query)]).toEqual([...plain.entries(query)])
        sqlite.close()
      }),
      { numRuns: 50 },
    )
  })

  test("what parts cost adds up to what all cost", () => {
    fc.assert(
      fc.property(fc.array(ledgerEntry), fc.constantFrom(...DIMENSIONS), (entries, by) => {
        const store = createMemoryStore(1000)
        store.append(entries)
        const total = store.spend({})[0]?.costUsd ?? 0
        expect(store.spend({ by }).reduce((sum, { costUsd }) => sum + costUsd, 0)).toBeCloseTo(total, 6)
      }),
    )
  })

  test("the oldest entries go when there are too many", () => {
    const stores = [createMemoryStore(1000), createSqliteStore(new Database(":memory:", { strict: true }), 1000)]
    for (const store of stores) {
      for (let i = 0; i < 3001; i++) store.append([entryOf({ requestId: String(i) })])
      const ids = [...store.entries({})].map(({ requestId }) => Number(requestId))
      expect(ids.length).toBeLessThan(2001)
      expect(ids.length).toBeGreaterThanOrEqual(1000)
      expect(ids.at(-1)).toBe(3000)
    }
  })
})

describe("openLedger", () => {
  const said: string[] = []
  const say = (line: string): void => void said.push(line)
  const record = (path: string, entries: readonly LedgerEntry[]): void => {
    const ledger = openLedger({ path, say })
    for (const entry of entries) ledger.record(entry)
    ledger.close()
  }

  test("entries survive the service, and a process that is killed in the midst", async () => {
    const path = join(dir, "deep/ledger.sqlite")
    record(path, [entryOf({ requestId: "a", costUsd: 1 })])
    const script = `
      import { openLedger } from ${JSON.stringify(join(import.meta.dir, "openLedger.ts"))}
      import { entryOf } from ${JSON.stringify(join(import.meta.dir, "../../test/entries.ts"))}
      const ledger = openLedger({ path: ${JSON.stringify(path)}, say: console.error })
      for (let i = 0; i < 100; i++) ledger.record(entryOf({ requestId: "b" + i, costUsd: 2 }))
      process.kill(process.pid, "SIGKILL")`
    const child = Bun.spawn([process.execPath, "-e", script], { stdio: ["ignore", "ignore", "pipe"] })
    expect(await child.exited).not.toBe(0)
    const ledger = openLedger({ path, say })
    expect(ledger.spend()).toMatchObject([{ numRequests: 101, costUsd: 201 }])
    ledger.close()
    expect(said).toEqual([])
  })

  test("two services may write one file, and a third may read it", () => {
    const path = join(dir, "shared.sqlite")
    const ledgers = [openLedger({ path, say }), openLedger({ path, say })]
    for (let i = 0; i < 50; i++)
      for (const [l, ledger] of ledgers.entries()) ledger.record(entryOf({ requestId: `${l}-${i}` }))
    const reader = openSqliteStore(path, 1000)
    expect(reader.spend({})[0]!.numRequests).toBe(100)
    for (const { close } of [...ledgers, reader]) close()
    expect(said).toEqual([])
  })

  test("without a file nothing is kept", () => {
    const ledger = openLedger({ path: undefined, say })
    ledger.record(entryOf({ costUsd: 1 }))
    expect(ledger.spend()).toEqual([])
    ledger.close()
  })

  test.each([
    ["garbage", "this is no database, and it is long enough to have a header of a hundred bytes".repeat(20)],
    ["another database", undefined],
  ])("a file that is %s is left as it is: one line, and entries go on in memory", (name, text) => {
    const path = join(dir, `${name}.sqlite`)
    if (text === undefined) new Database(path).run("CREATE TABLE other (x)")
    else writeFileSync(path, text)
    const before = readFileSync(path)
    const lines: string[] = []
    const ledger = openLedger({ path, say: (line) => void lines.push(line) })
    for (let i = 0; i < 3; i++) ledger.record(entryOf({ requestId: String(i), costUsd: 1 }))
    expect(ledger.spend()).toMatchObject([{ numRequests: 3, costUsd: 3 }])
    ledger.close()
    expect(lines).toEqual([expect.stringContaining("cannot be written")])
    expect(readFileSync(path)).toEqual(before)
  })

  test("a full disk loses nothing: entries go on in memory, count in sums, and are written when there is room", () => {
    const db = new Database(":memory:", { strict: true })
    const store = createSqliteStore(db, 1000)
    const lines: string[] = []
    let nowMs = 0
    const ledger = createLedger(() => store, "ledger", { say: (line) => void lines.push(line), nowMs: () => nowMs })
    ledger.record(entryOf({ requestId: "0", costUsd: 1 }))
    const { page_count: numPages } = db.query<{ page_count: number }, []>("PRAGMA page_count").get()!
    db.run(`PRAGMA max_page_count = ${numPages}`)
    for (let i = 1; i < 200; i++) ledger.record(entryOf({ requestId: String(i), costUsd: 1 }))
    expect(lines).toEqual([expect.stringContaining("full")])
    expect(ledger.spend()).toMatchObject([{ numRequests: 200, costUsd: 200 }])
    expect(store.spend({})[0]!.numRequests).toBeLessThan(200)

    db.run("PRAGMA max_page_count = 1000000")
    nowMs = 61_000
    ledger.record(entryOf({ requestId: "200", costUsd: 1 }))
    expect(store.spend({})).toMatchObject([{ numRequests: 201, costUsd: 201 }])
    expect(ledger.spend()).toMatchObject([{ numRequests: 201, costUsd: 201 }])
    expect(lines.at(-1)).toContain("written again")
    ledger.close()
  })

  test("an append whose removal of old entries fails writes nothing, so that it is not written twice later", () => {
    const db = new Database(":memory:", { strict: true })
    const store = createSqliteStore(db, 1)
    let nowMs = 0
    const ledger = createLedger(() => store, "ledger", { say: () => {}, nowMs: () => nowMs })
    // The next append removes.
    for (let i = 0; i < 1000; i++) ledger.record(entryOf({ requestId: String(i) }))
    db.run("CREATE TRIGGER keep BEFORE DELETE ON entries BEGIN SELECT raise(ABORT, 'kept'); END")
    ledger.record(entryOf({ requestId: "1000" }))
    expect([...store.entries({})].length).toBe(1000)
    expect(ledger.spend()).toMatchObject([{ numRequests: 1001 }])

    db.run("DROP TRIGGER keep")
    nowMs = 61_000
    ledger.record(entryOf({ requestId: "1001" }))
    // What was put off is done now: the newest alone is left.
    expect([...store.entries({})].map(({ requestId }) => requestId)).toEqual(["1001"])
    expect(ledger.spend()).toMatchObject([{ numRequests: 1 }])
  })

  test("a file that is spoilt while it is open loses no entry that comes after", () => {
    const path = join(dir, "spoilt.sqlite")
    const lines: string[] = []
    const ledger = openLedger({ path, say: (line) => void lines.push(line) })
    ledger.record(entryOf({ requestId: "before" }))
    for (const file of [path, `${path}-wal`]) writeFileSync(file, new Uint8Array(65_536).fill(0xa5))
    for (let i = 0; i < 2000; i++) ledger.record(entryOf({ requestId: String(i), costUsd: 1 }))
    expect(ledger.spend({ where: { agent: "" } })[0]!.numRequests).toBeGreaterThanOrEqual(1000)
    expect(lines.length).toBeLessThanOrEqual(1)
    ledger.close()
  })

  test("a store that fails in every way throws nothing at those who record or ask", () => {
    const broken = (): never => {
      throw new Error("broken")
    }
    const store: LedgerStore = { append: broken, spend: broken, entries: broken, close() {} }
    const ledger = createLedger(() => store, "ledger", { say, nowMs: () => 0 })
    ledger.record(entryOf({ costUsd: 2 }))
    expect(ledger.spend()).toMatchObject([{ numRequests: 1, costUsd: 2 }])
  })
})

describe("keyIdOf", () => {
  test("is short, always the same, and no key", () => {
    const id = keyIdOf("sk-very-secret")
    expect(id).toMatch(/^[0-9a-f]{12}$/)
    expect(keyIdOf("sk-very-secret")).toBe(id)
    expect(keyIdOf("sk-very-secreu")).not.toBe(id)
    expect(keyIdOf("")).toBe("")
  })
})
