import type { Database } from "bun:sqlite"
import { guardStore } from "../store/guardStore.ts"
import type { StoreSchema } from "../store/openStore.ts"
import { readVector, vectorBytes } from "../words/vectorBytes.ts"
import type { MemoryScope } from "./AgentMemory.ts"
import type { MemoryTurn } from "./MemoryTurn.ts"
import type { Statement } from "./rankStatements.ts"

const OWNER = "agent TEXT NOT NULL, userId TEXT NOT NULL"
export const MEMORY_SCHEMA: StoreSchema = {
  kind: "memory",
  applicationId: 0x434d454d,
  version: 1,
  tables: [
    `CREATE TABLE turns (id INTEGER PRIMARY KEY, ${OWNER}, conversationId TEXT NOT NULL, userText TEXT NOT NULL, answer TEXT NOT NULL,
      atMs REAL NOT NULL) STRICT`,
    "CREATE INDEX turns_conversation ON turns (agent, userId, conversationId)",
    `CREATE TABLE statements (id INTEGER PRIMARY KEY, ${OWNER}, turnId INTEGER, kind TEXT, text TEXT NOT NULL, atMs REAL NOT NULL,
      vector BLOB) STRICT`,
    "CREATE INDEX statements_user ON statements (agent, userId, kind)",
    `CREATE TABLE summaries (${OWNER}, conversationId TEXT NOT NULL, budgetTokens INTEGER NOT NULL,
      lastTurnId INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (agent, userId, conversationId, budgetTokens)) STRICT`,
  ],
}
/** The oldest go beyond: of turns in a conversation (a summary has them), of sentences that are no facts, and of facts. */
const MOST_TURNS = 1000
const MOST_SENTENCES = 2000
const MOST_FACTS = 500

/** A sentence to be kept. */
type NewStatement = Omit<Statement, "id" | "atMs">

interface KeptStatement extends Statement {
  /** The turn that it was said in; undefined of facts that a tool kept. */
  readonly turnId: number | undefined
}

interface KeptSummary {
  readonly text: string
  /** It has all turns up to this one. */
  readonly lastTurnId: number
}

/** The tables of a memory: what is read and written in one go each, always of one agent and user. */
export interface MemoryTables {
  /** Returns turns of a conversation after one, oldest first: the latest `limit`. */
  readonly turns: (scope: MemoryScope, afterId: number, limit: number) => readonly MemoryTurn[]
  readonly statements: (scope: Pick<MemoryScope, "agent" | "userId">) => readonly KeptStatement[]
  /** Each budget has its own: a short one would leave nothing to a long one. */
  readonly summary: (scope: MemoryScope, budgetTokens: number) => KeptSummary | undefined
  readonly writeSummary: (scope: MemoryScope, budgetTokens: number, summary: KeptSummary) => void
  readonly writeTurn: (
    scope: MemoryScope,
    turn: Omit<MemoryTurn, "id">,
    statements: readonly NewStatement[],
    nowMs: number,
  ) => void
  readonly writeFact: (scope: MemoryScope, fact: NewStatement, nowMs: number) => void
  /** Deletes a user's rows; returns how many turns and facts there were. */
  readonly remove: (userId: string, agent: string | undefined) => number
  /** Writes the file anew without what was deleted; false where another process still holds the old pages. */
  readonly scour: () => boolean
}

/** Reads and writes the tables of an open memory. Each function throws StoreError where SQLite fails. */
export function createMemoryTables(db: Database, path: string): MemoryTables {
  return guardStore(path, MEMORY_SCHEMA.kind, { ...readsOf(db), ...writesOf(db), ...removalOf(db) })
}

type Scoped = [agent: string, userId: string, conversationId: string]
const scoped = ({ agent, userId, conversationId }: MemoryScope): Scoped => [agent, userId, conversationId]
const IN_SCOPE = "agent = ? AND userId = ? AND conversationId = ?"

interface StatementRow {
  readonly id: number
  readonly turnId: number | null
  readonly kind: string | null
  readonly text: string
  readonly atMs: number
  readonly vector: Uint8Array | null
}

function readsOf(db: Database): Pick<MemoryTables, "turns" | "statements" | "summary"> {
  const turns = db.query<MemoryTurn, [...Scoped, number, number]>(
    `SELECT id, userText AS user, answer FROM turns WHERE ${IN_SCOPE} AND id > ? ORDER BY id DESC LIMIT ?`,
  )
  const statements = db.query<StatementRow, [string, string]>(
    "SELECT id, turnId, kind, text, atMs, vector FROM statements WHERE agent = ? AND userId = ? ORDER BY id",
  )
  const summary = db.query<KeptSummary, [...Scoped, number]>(
    `SELECT text, lastTurnId FROM summaries WHERE ${IN_SCOPE} AND budgetTokens = ?`,
  )
  return {
    turns: (scope, afterId, limit) => turns.all(...scoped(scope), afterId, limit).reverse(),
    statements: ({ agent, userId }) =>
      statements.all(agent, userId).map(({ turnId, kind, vector, ...row }) => ({
        ...row,
        turnId: turnId ?? undefined,
        kind: kind ?? undefined,
        vector: vector === null ? undefined : readVector(vector),
      })),
    summary: (scope, budgetTokens) => summary.get(...scoped(scope), budgetTokens) ?? undefined,
  }
}

function writesOf(db: Database): Pick<MemoryTables, "writeSummary" | "writeTurn" | "writeFact"> {
  const insertTurn = db.query<{ id: number }, [...Scoped, string, string, number]>(
    "INSERT INTO turns (agent, userId, conversationId, userText, answer, atMs) VALUES (?, ?, ?, ?, ?, ?) RETURNING id",
  )
  const insertStatement = db.query(
    "INSERT INTO statements (agent, userId, turnId, kind, text, atMs, vector) VALUES (?, ?, ?, ?, ?, ?, ?)",
  )
  const removeKind = db.query("DELETE FROM statements WHERE agent = ? AND userId = ? AND kind = ?")
  const writeSummary = db.query(
    "INSERT OR REPLACE INTO summaries (agent, userId, conversationId, budgetTokens, text, lastTurnId) VALUES (?, ?, ?, ?, ?, ?)",
  )
  const removeTurns = db.query(
    `DELETE FROM turns WHERE id IN (SELECT id FROM turns WHERE ${IN_SCOPE} ORDER BY id DESC LIMIT -1 OFFSET ${MOST_TURNS})`,
  )
  const removeStatements = [
    `kind IS NULL ORDER BY id DESC LIMIT -1 OFFSET ${MOST_SENTENCES}`,
    `kind IS NOT NULL ORDER BY id DESC LIMIT -1 OFFSET ${MOST_FACTS}`,
  ].map((which) =>
    db.query(
      `DELETE FROM statements WHERE id IN (SELECT id FROM statements WHERE agent = ? AND userId = ? AND ${which})`,
    ),
  )
  function writeStatement(
    { agent, userId }: MemoryScope,
    statement: NewStatement,
    turnId: number | null,
    nowMs: number,
  ): void {
    const { kind, text, vector } = statement
    if (kind !== undefined) removeKind.run(agent, userId, kind)
    insertStatement.run(
      agent,
      userId,
      turnId,
      kind ?? null,
      text,
      nowMs,
      vector === undefined ? null : vectorBytes(vector),
    )
  }
  function removeOldest(scope: MemoryScope): void {
    removeTurns.run(...scoped(scope))
    for (const removal of removeStatements) removal.run(scope.agent, scope.userId)
  }
  return {
    writeSummary: (scope, budgetTokens, { text, lastTurnId }) =>
      void writeSummary.run(...scoped(scope), budgetTokens, text, lastTurnId),
    writeTurn: (scope, { user, answer }, statements, nowMs) =>
      db
        .transaction(() => {
          const { id } = insertTurn.get(...scoped(scope), user, answer, nowMs)!
          for (const statement of statements) writeStatement(scope, statement, id, nowMs)
          removeOldest(scope)
        })
        .immediate(),
    writeFact: (scope, fact, nowMs) =>
      db
        .transaction(() => {
          writeStatement(scope, fact, null, nowMs)
          removeOldest(scope)
        })
        .immediate(),
  }
}

function removalOf(db: Database): Pick<MemoryTables, "remove" | "scour"> {
  return {
    remove: (userId, agent) =>
      db
        .transaction(() => {
          const where = "userId = $userId AND ($agent IS NULL OR agent = $agent)"
          const owner = { userId, agent: agent ?? null }
          const count = db.query<{ n: number }, [typeof owner]>(
            `SELECT (SELECT count(*) FROM turns WHERE ${where}) + (SELECT count(*) FROM statements WHERE kind IS NOT NULL AND ${where}) AS n`,
          )
          const { n } = count.get(owner)!
          for (const table of ["turns", "statements", "summaries"])
            db.query(`DELETE FROM ${table} WHERE ${where}`).run(owner)
          return n
        })
        .immediate(),
    scour() {
      // Deleted bytes are zeroed, but copies stay in the gaps of pages that were ever rearranged, and in the journal.
      db.run("VACUUM")
      return db.query<{ busy: number }, []>("PRAGMA wal_checkpoint(TRUNCATE)").get()!.busy === 0
    },
  }
}
