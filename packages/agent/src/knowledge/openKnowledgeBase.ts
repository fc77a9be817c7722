import type { Embedder } from "@consilium/fleet"
import { cosine } from "../words/cosine.ts"
import { StoreError } from "../store/StoreError.ts"
import { createVectorIndex, type NearPassages, type VectorIndex } from "./createVectorIndex.ts"
import { cutDocument, type Piece } from "./cutDocument.ts"
import type { KnowledgeBase } from "./KnowledgeBase.ts"
import { type KnowledgeTables, openKnowledgeTables } from "./openKnowledgeTables.ts"
import { readFolder, type SkippedFile } from "./readFolder.ts"

/** A document to be searched. */
export interface KnowledgeDocument {
  /** As answers cite it; another one that was added under this name is replaced. Markdown where it ends in `.md`. */
  readonly name: string
  readonly text: string
}

/** What became of a folder's documents. */
export interface FolderReport {
  readonly numAdded: number
  readonly numUnchanged: number
  /** They are no longer in the folder. */
  readonly numRemoved: number
  readonly skipped: readonly SkippedFile[]
}

/** A knowledge base that is filled here. */
export interface OpenKnowledgeBase extends KnowledgeBase {
  /**
   * Cuts, embeds and indexes a document; returns false where it has it already, unchanged.
   *
   * Vectors that lack, or that another embedder made, are made first.
   *
   * @throws StoreError, or what the embedder rejects with: nothing of the document is there then
   */
  readonly add: (document: KnowledgeDocument) => Promise<boolean>
  /** Adds what changed among the `.md` and `.txt` files of a folder and those in it, and removes what is gone; a file alone is one of its own. @throws StoreError where it cannot be read */
  readonly addFolder: (dir: string) => Promise<FolderReport>
  /** Removes a document that was added by itself; returns false where there was none of that name. */
  readonly remove: (name: string) => boolean
  readonly close: () => void
}

/** Passages that share words with a question, and those that are nearest to it, of which the best are chosen. */
const NUM_BY_WORDS = 200
const NUM_BY_MEANING = 50
const BATCH = 32
/** Stands for a folder where a document was not read from one. */
const HANDED_IN = ""
/** Its vector tells whether the embedder is the one that made the others. */
const PROBE = "Which of us made these vectors? 是谁写的？"
const SAME_COSINE = 0.999

/**
 * Opens a knowledge base, made where there is none: passages are found by words (BM25) and, with an embedder, by meaning, their scores added.
 *
 * Where the embedder fails in a search, or is another than the one of the vectors, words alone decide until documents are added again.
 *
 * @param path of an SQLite file, or `:memory:`
 * @throws StoreError where it is damaged, or something else
 */
export function openKnowledgeBase(
  path: string,
  { embedder }: { readonly embedder?: Pick<Embedder, "embed"> } = {},
): OpenKnowledgeBase {
  const tables = openKnowledgeTables(path)
  const meaning = embedder && createMeaning(tables, embedder)

  async function addTo(folder: string, document: KnowledgeDocument): Promise<boolean> {
    await meaning?.complete()
    const { name, text } = document
    const hash = Bun.hash.xxHash3(text).toString(16)
    if (tables.hashOf({ folder, name }) === hash) return false
    const pieces = cutDocument(text, name.endsWith(".md") ? "markdown" : "text")
    const vectors = await meaning?.embed(pieces)
    tables.write({ folder, name, hash, pieces, vectors })
    meaning?.forget()
    return true
  }
  return {
    get numPassages() {
      return tables.numPassages()
    },
    async search(question, limit) {
      const near = await meaning?.near(question)
      const scores = fuseScores(tables.findWords(question, Math.max(limit, NUM_BY_WORDS)), near, limit)
      const best = [...scores].sort(([a, scoreA], [b, scoreB]) => scoreB - scoreA || a - b).slice(0, limit)
      return tables.passages(best.map(([id]) => id)).map((passage) => ({ ...passage, score: scores.get(passage.id)! }))
    },
    add: (document) => addTo(HANDED_IN, document),
    async addFolder(dir) {
      const { folder, files, skipped } = readFolder(dir)
      const names = new Set(files.map(({ name }) => name))
      const gone = tables.namesIn(folder).filter((name) => !names.has(name))
      for (const name of gone) tables.remove({ folder, name })
      let numAdded = 0
      for (const { name, read } of files) if (await addTo(folder, { name, text: read() })) numAdded++
      meaning?.forget()
      return { numAdded, numUnchanged: files.length - numAdded, numRemoved: gone.length, skipped }
    },
    remove(name) {
      meaning?.forget()
      return tables.remove({ folder: HANDED_IN, name })
    },
    close: tables.close,
  }
}

/**
 * Adds up BM25, as a part of the best one's, and cosines.
 *
 * Fused by rank instead (RRF), an embedder that knows little of the matter drowns the words: its best counts as much as theirs, however little it says.
 *
 * @see Bruch, Gai, Ingber: An Analysis of Fusion Functions for Hybrid Retrieval, arXiv:2210.11934
 */
function fuseScores(
  byWords: readonly { readonly id: number; readonly score: number }[],
  near: NearPassages | undefined,
  limit: number,
): Map<number, number> {
  const most = byWords[0]?.score ?? 1
  const scores = new Map(byWords.map(({ id, score }) => [id, score / most + (near?.cosine(id) ?? 0)]))
  for (const id of near?.best(Math.max(limit, NUM_BY_MEANING)) ?? [])
    if (!scores.has(id)) scores.set(id, near!.cosine(id))
  return scores
}

/** The vectors of a knowledge base and who makes them. */
function createMeaning(tables: KnowledgeTables, embedder: Pick<Embedder, "embed">) {
  let index: VectorIndex | undefined
  let indexedVersion = -1
  let ours: Promise<Float32Array> | undefined

  async function embed(pieces: readonly Piece[]): Promise<Float32Array[]> {
    const texts = pieces.map(({ headings, text }) => [...headings, text].join("\n"))
    const vectors: Float32Array[] = []
    for (let i = 0; i < texts.length; i += BATCH) vectors.push(...(await embedder.embed(texts.slice(i, i + BATCH))))
    return vectors
  }
  /** Whether the vectors that are there are this embedder's. */
  async function areOurs(): Promise<boolean> {
    const probe = await (ours ??= embedder.embed([PROBE]).then(([vector]) => vector!))
    const kept = tables.probe()
    return kept !== undefined && cosine(kept, probe) >= SAME_COSINE
  }
  return {
    embed,
    /** The array is laid out anew when it is next needed. */
    forget: () => void (index = undefined),
    async complete(): Promise<void> {
      if (!(await areOurs())) tables.writeProbe(await ours!)
      for (;;) {
        const bare = tables.withoutVector(BATCH)
        if (bare.length === 0) return
        const vectors = await embed(bare)
        tables.writeVectors(new Map(bare.map(({ id }, i) => [id, vectors[i]!])))
        index = undefined
      }
    },
    /** Returns undefined where the embedder fails: words are left. */
    async near(question: string): Promise<NearPassages | undefined> {
      try {
        if (!(await areOurs())) return undefined
        const [vector] = await embedder.embed([question])
        const version = tables.dataVersion()
        if (index === undefined || version !== indexedVersion) {
          const { ids, vectors } = tables.vectors()
          index = createVectorIndex(ids, vectors)
          indexedVersion = version
        }
        return index.near(vector!)
      } catch (error) {
        if (error instanceof StoreError) throw error
        ours = undefined
        return undefined
      }
    },
  }
}
