import { parseEmbedder, readTable, TableError, type TableReader } from "@consilium/fleet"
import type { AgentConfig, RunLimits } from "../run/AgentConfig.ts"
import type { AgentSettings } from "./AgentSettings.ts"
import { parseHttpTools } from "./parseHttpTools.ts"
import { parseMcpServers } from "./parseMcpServers.ts"
import { parseSearch, parseWeather } from "./parseProviders.ts"

/** What a run takes at most, unless the table says otherwise. */
const USUAL_LIMITS: RunLimits = {
  maxSteps: 6,
  maxTokens: 32_000,
  maxMs: 120_000,
  maxCostUsd: Number.POSITIVE_INFINITY,
  maxParallelCalls: 4,
  toolTimeoutMs: 10_000,
  maxResultTokens: 400,
}

const USUAL_MEMORY_TOKENS = 300
const NAME = /^[\w-]{1,64}$/
/** Tools that every agent can have. */
const HOUSE_TOOLS = ["calculate", "get_weather", "search_web"]

/** Those that want documents, and a memory. */
const TOOLS_WITH_STORES = ["search_knowledge", "remember"]

export const ASSISTANT_NAME = "assistant"
const DESCRIPTION = "calculates, looks up the weather and searches, without a network"

/** The agent that there is without any table: it works without a network, and with a small model. */
export const ASSISTANT: AgentSettings = parseAgent(
  ASSISTANT_NAME,
  readTable({ description: DESCRIPTION, search: { results: 1 } }, ASSISTANT_NAME),
)

/**
 * Reads the `[agents]` table: agents by their names.
 *
 * @param file that it is in, for errors
 * @throws TableError
 */
export function parseAgents(value: unknown, file: string): readonly AgentSettings[] {
  const table = readTable(value, `${file}: agents`)
  if (table.keys.length === 0) throw new TableError(`${table.path}: expected tables [agents.<name>], found none`)
  return table.keys.map((name) => {
    if (!NAME.test(name)) table.fail(name, "a name of 1 to 64 letters, digits, _ or -")
    return parseAgent(name, table.table(name)!)
  })
}

function parseAgent(name: string, table: TableReader): AgentSettings {
  const knowledge = table.texts("knowledge")
  const http = parseHttpTools(table.table("http"), [...HOUSE_TOOLS, ...TOOLS_WITH_STORES])
  const embedder = parseEmbedder(table.table("embedder"))
  if (embedder !== undefined && knowledge.length === 0) table.fail("embedder", "none without knowledge")
  const settings: AgentSettings = {
    config: parseConfig(name, table, [
      ...HOUSE_TOOLS,
      ...(knowledge.length === 0 ? [] : ["search_knowledge"]),
      ...http.map((tool) => tool.name),
    ]),
    model: table.text("model"),
    contextLength: table.whole("context", 256, 10_000_000),
    knowledge,
    embedder,
    weather: parseWeather(table.table("weather")),
    search: parseSearch(table.table("search")),
    http,
    mcp: parseMcpServers(table.table("mcp")),
    allowHosts: table.texts("allow-hosts"),
  }
  table.end()
  return settings
}

/** @param usual tools that it has unless it names them; `remember` is only had by name, for it changes something */
function parseConfig(name: string, table: TableReader, usual: readonly string[]): AgentConfig {
  const known = [...usual, "remember"]
  const tools = table.has("tools") ? table.texts("tools") : usual
  const memoryTokens = table.whole("memory", 0, 1_000_000) ?? USUAL_MEMORY_TOKENS
  if (tools.some((tool) => !known.includes(tool))) table.fail("tools", `some of ${known.join(", ")}`)
  if (tools.includes("remember") && memoryTokens === 0) table.fail("memory", 'more than 0 with the tool "remember"')
  const numPassages = table.whole("passages", 0, 50) ?? 0
  if (numPassages > 0 && !usual.includes("search_knowledge")) table.fail("passages", "0 without knowledge")
  return {
    name,
    description: table.text("description") ?? "",
    instructions: table.text("instructions") ?? "",
    tools,
    limits: parseLimits(table.table("limits")),
    memoryTokens,
    numPassages,
  }
}

function parseLimits(table: TableReader | undefined): RunLimits {
  if (table === undefined) return USUAL_LIMITS
  const limits = {
    maxSteps: table.whole("steps", 1, 100) ?? USUAL_LIMITS.maxSteps,
    maxTokens: table.whole("tokens", 256, 100_000_000) ?? USUAL_LIMITS.maxTokens,
    maxMs: table.duration("time") ?? USUAL_LIMITS.maxMs,
    maxCostUsd: table.number("cost", 0, 1e6) ?? USUAL_LIMITS.maxCostUsd,
    maxParallelCalls: table.whole("parallel-calls", 1, 64) ?? USUAL_LIMITS.maxParallelCalls,
    toolTimeoutMs: table.duration("tool-timeout") ?? USUAL_LIMITS.toolTimeoutMs,
    maxResultTokens: table.whole("result-tokens", 16, 1_000_000) ?? USUAL_LIMITS.maxResultTokens,
  }
  table.end()
  return limits
}
