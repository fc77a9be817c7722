import {
  type AgentMemory,
  type AgentSettings,
  createWordEmbedder,
  type KnowledgeBase,
  openAgent,
  openKnowledgeBase,
  openSqliteMemory,
} from "@consilium/agent"
import type { Embedder, EmbedderConfig } from "@consilium/fleet"
import { Effect, Exit, Scope } from "effect"
import { mkdirSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import type { AgentService, ModelOfRun } from "./AgentService.ts"
import { createAgentService, type OpenedAgent } from "./createAgentService.ts"

/** Searched without a network by agents that have no documents of their own. */
const DOCUMENTS = join(import.meta.dir, "../../documents")

export interface OpenAgentsOptions {
  readonly agents: readonly AgentSettings[]
  /** Where it is kept what users told; undefined remembers nothing. */
  readonly memoryFile: string | undefined
  readonly modelOf: ModelOfRun
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Opens what an agent's table names. @throws what it does (rejects) */
  readonly openEmbedder: (agent: string, config: EmbedderConfig) => Promise<Embedder>
  /** Where vectors of documents are kept from start to start. */
  readonly knowledgeDir: string
  /** Told of documents that were left out. */
  readonly say: (line: string) => void
}

/** Agents that hold files, connections and programs. */
export interface OpenedAgents {
  readonly service: AgentService
  readonly close: () => Promise<void>
}

/** Opens agents: their documents are read, their MCP servers connected to. @throws StoreError, AgentSettingsError, McpServerError (rejects) */
export async function openAgents(options: OpenAgentsOptions): Promise<OpenedAgents> {
  const scope = await Effect.runPromise(Scope.make())
  const close = (): Promise<void> => Effect.runPromise(Scope.close(scope, Exit.void))
  try {
    const service = await Effect.runPromise(Scope.provide(openService(options), scope))
    return { service, close }
  } catch (error) {
    await close()
    throw error
  }
}

const openService = Effect.fnUntraced(function* (options: OpenAgentsOptions) {
  const { agents, memoryFile, modelOf, environment, say } = options
  const memory = memoryFile === undefined ? undefined : yield* openMemory(memoryFile)
  const documents = yield* openDocuments([DOCUMENTS], { path: ":memory:", say })
  let table: Pick<Embedder, "embed"> | undefined
  // Megabytes, which all agents without an embedder share.
  const wordEmbedder = (): Pick<Embedder, "embed"> => (table ??= createWordEmbedder())
  const opened = yield* Effect.forEach(agents, (settings) =>
    Effect.gen(function* () {
      const knowledge =
        settings.knowledge.length === 0 ? undefined : yield* openKnowledge(settings, { ...options, wordEmbedder })
      const parts = yield* openAgent(settings, { memory, knowledge, documents, environment, nowMs: Date.now })
      return { ...parts, settings } satisfies OpenedAgent
    }),
  )
  return createAgentService({ agents: opened, memory, modelOf, nowMs: Date.now })
})

const openMemory = (path: string): Effect.Effect<AgentMemory, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      makeFolder(dirname(path))
      return openSqliteMemory(path)
    }),
    (memory) => Effect.sync(() => memory.close()),
  )

/** A new machine has none. Where it cannot be made, opening the file says so better. */
function makeFolder(dir: string): void {
  try {
    mkdirSync(dir, { recursive: true })
  } catch {}
}

interface KnowledgeOptions extends Pick<OpenAgentsOptions, "openEmbedder" | "knowledgeDir" | "say"> {
  readonly wordEmbedder: () => Pick<Embedder, "embed">
}

/** Opens an agent's documents: with word vectors they are read anew at each start; vectors of a model, which take their time, are kept. */
const openKnowledge = Effect.fnUntraced(function* (
  { config: { name }, knowledge, embedder: table }: AgentSettings,
  { openEmbedder, wordEmbedder, knowledgeDir, say }: KnowledgeOptions,
): Effect.fn.Return<KnowledgeBase, never, Scope.Scope> {
  if (table === undefined) return yield* openDocuments(knowledge, { path: ":memory:", embedder: wordEmbedder(), say })
  const embedder = yield* Effect.acquireRelease(
    Effect.promise(() => openEmbedder(name, table)),
    (open) => Effect.promise(() => open.close()),
  )
  makeFolder(knowledgeDir)
  return yield* openDocuments(knowledge, { path: join(knowledgeDir, fileOf(name, knowledge)), embedder, say })
})

/** A file keeps all that it was ever given: other folders, of this agent or of another one of its name elsewhere, have another. */
function fileOf(name: string, folders: readonly string[]): string {
  const hash = Bun.hash.xxHash64(JSON.stringify(folders.map((folder) => resolve(folder))))
  return `${name}-${hash.toString(16)}.sqlite`
}

interface DocumentOptions {
  /** Of an SQLite file, or `:memory:`. */
  readonly path: string
  readonly embedder?: Pick<Embedder, "embed">
  readonly say: (line: string) => void
}

/** Reads what changed in folders of documents. */
const openDocuments = Effect.fnUntraced(function* (
  folders: readonly string[],
  { path, say, ...options }: DocumentOptions,
): Effect.fn.Return<KnowledgeBase, never, Scope.Scope> {
  const base = yield* Effect.acquireRelease(
    Effect.sync(() => openKnowledgeBase(path, options)),
    (open) => Effect.sync(() => open.close()),
  )
  for (const folder of folders) {
    const { skipped } = yield* Effect.promise(() => base.addFolder(folder))
    for (const { name, why } of skipped) say(`${folder}: ${name} is not searched: ${why}`)
  }
  return base
})
