import type { Database } from "bun:sqlite"
import { guardStore } from "../store/guardStore.ts"
import { openStore, type StoreSchema } from "../store/openStore.ts"
import { spaceCjk } from "../words/spaceCjk.ts"
import { termsOf } from "../words/termsOf.ts"
import { readVector, vectorBytes } from "../words/vectorBytes.ts"
import type { Piece } from "./cutDocument.ts"
import type { Passage } from "./KnowledgeBase.ts"

const SCHEMA: StoreSchema = {
  kind: "knowledge",
  applicationId: 0x434b4e57,
  version: 1,
  tables: [
    `CREATE TABLE documents (id INTEGER PRIMARY KEY, folder TEXT NOT NULL, name TEXT NOT NULL, hash TEXT NOT NULL,
      UNIQUE (folder, name)) STRICT`,
    `CREATE TABLE passages (id INTEGER PRIMARY KEY, documentId INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
      headings TEXT NOT NULL, text TEXT NOT NULL, vector BLOB) STRICT`,
    "CREATE INDEX passages_document ON passages (documentId)",
    "CREATE INDEX passages_bare ON passages (id) WHERE vector IS NULL",
    `CREATE VIRTUAL TABLE words USING fts5 (document, headings, body, content = '', contentless_delete = 1,
      tokenize = 'porter unicode61 remove_diacritics 2')`,
    // A heading says in few words what a passage is about.
    "INSERT INTO words (words, rank) VALUES ('rank', 'bm25(1.0, 2.0, 1.0)')",
    "CREATE TABLE embedder (id INTEGER PRIMARY KEY CHECK (id = 1), probe BLOB NOT NULL) STRICT",
  ],
}
/** A longer question has the same matter in it. */
const MOST_TERMS = 48

/** Which document: folders may hold others of the same name. */
interface DocumentPlace {
  /** Where it was read from; empty where its text was handed in. */
  readonly folder: string
  readonly name: string
}

/** A document as it is kept: cut, and with a vector for each piece where there is an embedder. */
interface CutDocument extends DocumentPlace {
  readonly hash: string
  readonly pieces: readonly Piece[]
  readonly vectors: readonly Float32Array[] | undefined
}

/** A passage to be embedded. */
interface BarePassage extends Piece {
  readonly id: number
}

interface WordMatch {
  readonly id: number
  readonly score: number
}

/** The tables of a knowledge base: what is read and written in one go each. @see openKnowledgeBase for what it is all for */
export interface KnowledgeTables {
  readonly numPassages: () => number
  /** Changes with each write of another process. */
  readonly dataVersion: () => number
  readonly hashOf: (place: DocumentPlace) => string | undefined
  readonly namesIn: (folder: string) => readonly string[]
  readonly write: (document: CutDocument) => void
  readonly remove: (place: DocumentPlace) => boolean
  /** Returns passages that share words with a question, best first, with their BM25. */
  readonly findWords: (question: string, limit: number) => readonly WordMatch[]
  readonly passages: (ids: readonly number[]) => readonly Omit<Passage, "score">[]
  readonly vectors: () => { readonly ids: readonly number[]; readonly vectors: readonly Float32Array[] }
  readonly withoutVector: (limit: number) => readonly BarePassage[]
  readonly writeVectors: (vectors: ReadonlyMap<number, Float32Array>) => void
  readonly probe: () => Float32Array | undefined
  /** Keeps what tells the embedder; vectors of another one go. */
  readonly writeProbe: (probe: Float32Array) => void
  readonly close: () => void
}

interface PassageRow {
  readonly id: number
  readonly document: string
  readonly headings: string
  readonly text: string
}

/** Opens the file of a knowledge base. @throws StoreError; each of its functions too */
export function openKnowledgeTables(path: string): KnowledgeTables {
  const db = openStore(path, SCHEMA)
  return { ...guardStore(path, SCHEMA.kind, { ...readsOf(db), ...writesOf(db) }), close: () => db.close() }
}

function readsOf(db: Database) {
  const byId = db.query<PassageRow, [number]>(
    `SELECT passages.id, documents.name AS document, headings, text FROM passages JOIN documents ON documents.id = documentId
     WHERE passages.id = ?`,
  )
  return {
    numPassages: () => db.query<{ n: number }, []>("SELECT count(*) AS n FROM passages").get()!.n,
    dataVersion: () => db.query<{ data_version: number }, []>("PRAGMA data_version").get()!.data_version,
    hashOf: ({ folder, name }: DocumentPlace) =>
      db
        .query<{ hash: string }, [string, string]>("SELECT hash FROM documents WHERE folder = ? AND name = ?")
        .get(folder, name)?.hash,
    namesIn: (folder: string) =>
      db
        .query<{ name: string }, [string]>("SELECT name FROM documents WHERE folder = ?")
        .all(folder)
        .map(({ name }) => name),
    findWords(question: string, limit: number) {
      const terms = [...new Set(termsOf(question))].slice(0, MOST_TERMS)
      if (terms.length === 0) return []
      return db
        .query<WordMatch, [string, number]>(
          "SELECT rowid AS id, -rank AS score FROM words WHERE words MATCH ? ORDER BY rank LIMIT ?",
        )
        .all(terms.map((term) => `"${term}"`).join(" OR "), limit)
    },
    passages: (ids: readonly number[]) =>
      ids.flatMap((id) => {
        const row = byId.get(id)
        return row === null ? [] : [{ ...row, headings: JSON.parse(row.headings) as string[] }]
      }),
    vectors() {
      const rows = db
        .query<{ id: number; vector: Uint8Array }, []>("SELECT id, vector FROM passages WHERE vector IS NOT NULL")
        .all()
      return { ids: rows.map(({ id }) => id), vectors: rows.map(({ vector }) => readVector(vector)) }
    },
    withoutVector: (limit: number) =>
      db
        .query<PassageRow, [number]>(
          "SELECT id, '' AS document, headings, text FROM passages WHERE vector IS NULL LIMIT ?",
        )
        .all(limit)
        .map(({ id, headings, text }) => ({ id, headings: JSON.parse(headings) as string[], text })),
    probe() {
      const row = db.query<{ probe: Uint8Array }, []>("SELECT probe FROM embedder").get()
      return row === null ? undefined : readVector(row.probe)
    },
  }
}

function writesOf(db: Database) {
  const insertDocument = db.query<{ id: number }, [string, string, string]>(
    "INSERT INTO documents (folder, name, hash) VALUES (?, ?, ?) RETURNING id",
  )
  const insertPassage = db.query<{ id: number }, [number, string, string, Uint8Array | null]>(
    "INSERT INTO passages (documentId, headings, text, vector) VALUES (?, ?, ?, ?) RETURNING id",
  )
  const insertWords = db.query("INSERT INTO words (rowid, document, headings, body) VALUES (?, ?, ?, ?)")
  const setVector = db.query("UPDATE passages SET vector = ? WHERE id = ?")

  function remove({ folder, name }: DocumentPlace): boolean {
    const where = "documents.folder = ? AND documents.name = ?"
    db.run(
      `DELETE FROM words WHERE rowid IN (SELECT passages.id FROM passages JOIN documents ON documents.id = documentId WHERE ${where})`,
      [folder, name],
    )
    return db.run(`DELETE FROM documents WHERE ${where}`, [folder, name]).changes > 0
  }
  const write = db.transaction(({ name, folder, hash, pieces, vectors }: CutDocument) => {
    remove({ folder, name })
    const document = insertDocument.get(folder, name, hash)!.id
    for (const [i, { headings, text }] of pieces.entries()) {
      const vector = vectors?.[i]
      const bytes = vector === undefined ? null : vectorBytes(vector)
      const { id } = insertPassage.get(document, JSON.stringify(headings), text, bytes)!
      insertWords.run(id, spaceCjk(name), spaceCjk(headings.join(" ")), spaceCjk(text))
    }
  })
  const writeVectors = db.transaction((vectors: ReadonlyMap<number, Float32Array>) => {
    for (const [id, vector] of vectors) setVector.run(vectorBytes(vector), id)
  })
  const writeProbe = db.transaction((probe: Float32Array) => {
    db.run("UPDATE passages SET vector = NULL")
    db.run("INSERT OR REPLACE INTO embedder (id, probe) VALUES (1, ?)", [vectorBytes(probe)])
  })
  return {
    write: (document: CutDocument) => write.immediate(document),
    remove: (place: DocumentPlace) => db.transaction(remove).immediate(place),
    writeVectors: (vectors: ReadonlyMap<number, Float32Array>) => writeVectors.immediate(vectors),
    writeProbe: (probe: Float32Array) => writeProbe.immediate(probe),
  }
}
