import { Database, type SQLQueryBindings } from "bun:sqlite"
import {
  type Dimension,
  DIMENSIONS,
  type EntryFilter,
  type LedgerEntry,
  type LedgerStore,
  type Spend,
} from "./LedgerEntry.ts"

const SCHEMA_VERSION = 2
/** How long a write waits for another process's. It holds up the whole service. */
const BUSY_MS = 100
/** After so many appends the oldest entries are looked for. */
const APPENDS_BETWEEN_REMOVALS = 1000

const COLUMNS = [
  ["requestId", "TEXT"],
  ["atMs", "REAL"],
  ["outcome", "TEXT"],
  ...DIMENSIONS.map((dimension) => [dimension, "TEXT"] as const),
  ["promptTokens", "INTEGER"],
  ["cachedTokens", "INTEGER"],
  ["generatedTokens", "INTEGER"],
  ["durationMs", "REAL"],
  ["numTogether", "REAL"],
  ["expertBytes", "REAL"],
  ["cpuMs", "REAL"],
  ["inputUsdPerMillion", "REAL"],
  ["cachedUsdPerMillion", "REAL"],
  ["outputUsdPerMillion", "REAL"],
  ["costUsd", "REAL"],
] as const

type Row = Omit<LedgerEntry, "price"> & LedgerEntry["price"]

/** `key` is a word of SQL's own. */
const quoted = (column: string): string => `"${column}"`

/** Opens a ledger's file, made where there is none. @throws Error of SQLite, or where the file is something else */
export function openSqliteStore(path: string, maxEntries: number): LedgerStore {
  const db = new Database(path, { create: true, strict: true })
  try {
    return createSqliteStore(db, maxEntries)
  } catch (error) {
    db.close()
    throw error
  }
}

/**
 * Keeps entries in a database: each append is one transaction, after a crash there or not.
 *
 * The journal is written ahead and not forced to disk for each: a power cut may lose the last, never damage the rest. Others may read meanwhile.
 */
export function createSqliteStore(db: Database, maxEntries: number): LedgerStore {
  openSchema(db)
  const names = COLUMNS.map(([name]) => quoted(name))
  const insert = db.prepare(
    `INSERT INTO entries (${names.join(", ")}) VALUES (${COLUMNS.map(([name]) => `$${name}`).join(", ")})`,
  )
  const removeOldest = db.prepare("DELETE FROM entries WHERE id <= (SELECT max(id) FROM entries) - $maxEntries")
  let numAppends = 0
  const appendAll = db.transaction((entries: readonly LedgerEntry[]) => {
    for (const entry of entries) insert.run(rowOf(entry))
    if (numAppends % APPENDS_BETWEEN_REMOVALS === 0) removeOldest.run({ maxEntries })
  })

  return {
    append(entries) {
      appendAll(entries)
      numAppends++
    },
    spend({ by, ...filter }) {
      const { sql, values } = conditionOf(filter)
      const sum = (column: string): string => `coalesce(sum(${column}), 0) AS ${column}`
      const sums = ["promptTokens", "cachedTokens", "generatedTokens", "expertBytes", "cpuMs", "costUsd"].map(sum)
      const name = by === undefined ? "''" : quoted(by)
      return db
        .query<Spend, SQLQueryBindings>(
          `SELECT ${name} AS name, count(DISTINCT requestId) AS numRequests, ${sums.join(", ")} FROM entries ${sql} GROUP BY 1 ORDER BY costUsd DESC, name`,
        )
        .all(values)
    },
    *entries(filter) {
      const { sql, values } = conditionOf(filter)
      const rows = db.query<Row, SQLQueryBindings>(`SELECT ${names.join(", ")} FROM entries ${sql} ORDER BY id`)
      for (const row of rows.iterate(values)) yield entryOf(row)
    },
    close: () => db.close(),
  }
}

function openSchema(db: Database): void {
  db.run(`PRAGMA busy_timeout = ${BUSY_MS}`)
  db.run("PRAGMA synchronous = NORMAL")
  const version = db.query<{ user_version: number }, []>("PRAGMA user_version").get()!.user_version
  if (version === SCHEMA_VERSION) return
  const { numTables } = db.query<{ numTables: number }, []>("SELECT count(*) AS numTables FROM sqlite_master").get()!
  if (version !== 0 || numTables > 0)
    throw new Error(`expected a ledger of version ${SCHEMA_VERSION}, found a database of version ${version}`)
  db.run("PRAGMA journal_mode = WAL")
  db.transaction(() => {
    const columns = COLUMNS.map(([name, type]) => `${quoted(name)} ${type} NOT NULL`)
    db.run(`CREATE TABLE entries (id INTEGER PRIMARY KEY, ${columns.join(", ")}) STRICT`)
    db.run("CREATE INDEX entries_at ON entries (atMs)")
    db.run(`PRAGMA user_version = ${SCHEMA_VERSION}`)
  })()
}

function conditionOf({ fromMs, toMs, where = {} }: EntryFilter): {
  sql: string
  values: Record<string, string | number>
} {
  const named = DIMENSIONS.flatMap((dimension): [Dimension, string][] => {
    const name = where[dimension]
    return name === undefined ? [] : [[dimension, name]]
  })
  const conditions = [
    ...(fromMs === undefined ? [] : ["atMs >= $fromMs"]),
    ...(toMs === undefined ? [] : ["atMs < $toMs"]),
    ...named.map(([dimension]) => `${quoted(dimension)} = $${dimension}`),
  ]
  return {
    sql: conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`,
    values: {
      ...(fromMs === undefined ? {} : { fromMs }),
      ...(toMs === undefined ? {} : { toMs }),
      ...Object.fromEntries(named),
    },
  }
}

function rowOf({ price, ...entry }: LedgerEntry): Record<string, string | number> {
  const row: Row = { ...entry, ...price }
  return Object.fromEntries(COLUMNS.map(([name]) => [name, row[name]]))
}

function entryOf({ inputUsdPerMillion, cachedUsdPerMillion, outputUsdPerMillion, ...entry }: Row): LedgerEntry {
  return { ...entry, price: { inputUsdPerMillion, cachedUsdPerMillion, outputUsdPerMillion } }
}
