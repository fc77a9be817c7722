import { Database } from "bun:sqlite"
import { StoreError } from "./StoreError.ts"

/** How long a write waits for another process's. It holds up the whole service. */
const BUSY_MS = 1000

/** What a file is for, and the tables in it. */
export interface StoreSchema {
  /** As errors call it: `memory`. */
  readonly kind: string
  /** Marks files of this kind. */
  readonly applicationId: number
  readonly version: number
  readonly tables: readonly string[]
}

/** What is known of a failure of SQLite's, and what helps; the rest keeps its own words. */
const CURES: Readonly<Record<string, string>> = {
  SQLITE_FULL: "found the disk full: free some space; what was kept before is unharmed",
  SQLITE_CORRUPT: "found it damaged: put a copy in its place, or move it away to begin anew",
  SQLITE_NOTADB: "found something else, or a damaged one: put a copy in its place, or move it away to begin anew",
  SQLITE_BUSY: `found that another process has been using it for ${BUSY_MS} ms: try again`,
  SQLITE_READONLY: "found it read-only: let this process write it",
  SQLITE_CANTOPEN: "found that it cannot be opened: is its folder there, and may this process write in it?",
}

/**
 * Opens a file of ours, made where there is none; others may use it meanwhile.
 *
 * What is deleted is overwritten with zeros.
 *
 * @param path or `:memory:`
 * @throws StoreError where it is damaged, or something else
 */
export function openStore(path: string, schema: StoreSchema): Database {
  const db = inStore(path, schema.kind, () => new Database(path, { create: true, strict: true }))
  try {
    prepareStore(db, path, schema)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/** Runs what uses a store. @throws StoreError with the cure where SQLite fails */
export function inStore<A>(path: string, kind: string, run: () => A): A {
  try {
    return run()
  } catch (error) {
    const { code, message } = error as { readonly code?: unknown; readonly message?: unknown }
    if (typeof code !== "string" || !code.startsWith("SQLITE_")) throw error
    const primary = /^SQLITE_[A-Z]+/.exec(code)![0]
    const found = CURES[primary] ?? `found ${code}`
    throw new StoreError({ message: `${path}: expected a ${kind} file, ${found} (${String(message)})`, cause: error })
  }
}

function prepareStore(db: Database, path: string, { kind, applicationId, version, tables }: StoreSchema): void {
  const numberOf = (pragma: string): number => Object.values(db.query<Record<string, number>, []>(pragma).get()!)[0]!
  inStore(path, kind, () => {
    db.run(`PRAGMA busy_timeout = ${BUSY_MS}`)
    db.run("PRAGMA synchronous = NORMAL")
    db.run("PRAGMA secure_delete = ON")
    db.run("PRAGMA foreign_keys = ON")
    const isNew = (): boolean =>
      numberOf("PRAGMA user_version") === 0 && numberOf("SELECT count(*) FROM sqlite_master") === 0
    if (isNew()) db.run("PRAGMA journal_mode = WAL")
    // Another process may be making it right now: who comes second finds it made.
    const make = db.transaction(() => {
      if (!isNew()) return
      for (const table of tables) db.run(table)
      db.run(`PRAGMA application_id = ${applicationId}`)
      db.run(`PRAGMA user_version = ${version}`)
    })
    make.immediate()
  })
  const found = { id: numberOf("PRAGMA application_id"), version: numberOf("PRAGMA user_version") }
  if (found.id === applicationId && found.version === version) return
  const what = found.id === applicationId ? `one of version ${found.version}` : "another database"
  const message = `${path}: expected a ${kind} file of version ${version}, found ${what}: give it a path of its own`
  throw new StoreError({ message, cause: undefined })
}
