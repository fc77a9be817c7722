import type { Database } from "bun:sqlite"
import type { Embedder } from "@consilium/fleet"
import { StoreError } from "../store/StoreError.ts"
import { splitSentences } from "../words/splitSentences.ts"
import type { AgentMemory, MemoryScope, RecallRequest } from "./AgentMemory.ts"
import { factsIn, kindOfFact } from "./factsIn.ts"
import { messagesOf } from "./MemoryTurn.ts"
import { createMemoryTables, MEMORY_SCHEMA } from "./createMemoryTables.ts"
import { chooseFacts, chooseTurns, planShares } from "./planShares.ts"
import { rankStatements } from "./rankStatements.ts"
import { openStore } from "../store/openStore.ts"
import type { Summarise, SummaryTask } from "./Summarise.ts"
import { summariseBySentences } from "./summariseBySentences.ts"

export interface MemoryOptions {
  /** Finds what was said by its meaning too. Where it fails, words alone do. */
  readonly embedder?: Pick<Embedder, "embed">
  /** Writes summaries on, within a recall; the sentences that matter unless given. */
  readonly summarise?: Summarise
}

export interface OpenMemory extends AgentMemory {
  readonly close: () => void
}

/** A prompt never has more, and a summary never more to read at once. */
const MOST_TURNS = 64
const MOST_SUMMED = 1000
const LONGEST_SENTENCE = 300

/**
 * Opens a memory in an SQLite file, made where there is none. Other processes may use it meanwhile.
 *
 * It works in the caller's thread, for some milliseconds; `forget` longer, for it writes the whole file anew.
 *
 * @throws StoreError where the file is damaged, or something else; its functions reject with it too
 */
export function openSqliteMemory(path: string, options: MemoryOptions = {}): OpenMemory {
  return createSqliteMemory(openStore(path, MEMORY_SCHEMA), path, options)
}

/** Makes a memory of an open database. @see openSqliteMemory */
export function createSqliteMemory(db: Database, path: string, options: MemoryOptions = {}): OpenMemory {
  const { embedder, summarise = async (task) => summariseBySentences(task) } = options
  const tables = createMemoryTables(db, path)

  /** Nothing where the embedder fails, or there is none. */
  const embed = async (texts: readonly string[]): Promise<readonly (Float32Array | undefined)[]> =>
    embedder === undefined || texts.length === 0 ? [] : embedder.embed(texts).catch(() => [])

  return {
    async recall(request) {
      checkScope(request)
      const { text, budgetTokens, countTokens, nowMs } = request
      const latest = tables.turns(request, 0, MOST_TURNS)
      const shares = planShares(latest, latest.length < MOST_TURNS, budgetTokens, countTokens)
      const turns = chooseTurns(latest, shares.turnTokens, countTokens)
      const shown = new Set(turns.map(({ id }) => id))
      const statements = tables
        .statements(request)
        .filter(({ kind, turnId }) => kind !== undefined || turnId === undefined || !shown.has(turnId))
      const [vector] = await embed([text])
      const ranked = rankStatements(statements, { text, vector, nowMs })
      const facts = chooseFacts(ranked, shares.factTokens, countTokens)
      const hasEarlier = turns.length < latest.length || latest.length === MOST_TURNS
      const summary = hasEarlier ? await summaryBefore(turns[0]?.id, request, shares.summaryTokens) : undefined
      return { facts, summary, turns: messagesOf(turns) }
    },
    async note(scope, { user, answer, nowMs }) {
      checkScope(scope)
      const sentences = splitSentences(user).map((sentence) => sentence.slice(0, LONGEST_SENTENCE))
      const vectors = await embed(sentences)
      const statements = sentences.map((sentence, i) => ({
        kind: factsIn(sentence)[0]?.kind,
        text: sentence,
        vector: vectors[i],
      }))
      tables.writeTurn(scope, { user, answer }, statements, nowMs)
    },
    async noteFact(scope, fact, nowMs) {
      checkScope(scope)
      const text = fact.trim().slice(0, LONGEST_SENTENCE)
      if (text === "") return
      const [vector] = await embed([text])
      tables.writeFact(scope, { kind: kindOfFact(text), text, vector }, nowMs)
    },
    async forget(userId, agent) {
      const numGone = tables.remove(userId, agent)
      if (tables.scour()) return numGone
      const message = `${path}: expected to wipe what was forgotten, found that another process reads it: forget again`
      throw new StoreError({ message, cause: undefined })
    },
    close: () => db.close(),
  }

  /** Returns the summary of the turns before one, written on and kept where turns came since; undefined where nothing is worth a line. */
  async function summaryBefore(
    turnId: number | undefined,
    request: RecallRequest,
    budgetTokens: number,
  ): Promise<string | undefined> {
    const { countTokens } = request
    const kept = tables.summary(request, budgetTokens)
    const since = tables.turns(request, kept?.lastTurnId ?? 0, MOST_SUMMED)
    const turns = since.filter(({ id }) => turnId === undefined || id < turnId)
    const isShort = kept === undefined || countTokens(kept.text) <= budgetTokens
    if (turns.length === 0 && isShort) return kept?.text || undefined
    const text = await writeOn({ previous: kept?.text, turns: messagesOf(turns), budgetTokens, countTokens })
    tables.writeSummary(request, budgetTokens, { text, lastTurnId: turns.at(-1)?.id ?? kept!.lastTurnId })
    return text || undefined
  }

  async function writeOn(task: SummaryTask): Promise<string> {
    const text = await summarise(task).catch(() => undefined)
    return text !== undefined && task.countTokens(text) <= task.budgetTokens ? text : summariseBySentences(task)
  }
}

/** Whoever has no name has no memory: callers leave it out, for strangers would share it. */
function checkScope({ agent, userId, conversationId }: MemoryScope): void {
  if (agent === "" || userId === "" || conversationId === "")
    throw new Error(`expected agent, user and conversation, found ${JSON.stringify([agent, userId, conversationId])}`)
}
