import { Effect, type Scope } from "effect"
import type { AgentSettings } from "../config/AgentSettings.ts"
import type { KnowledgeBase } from "../knowledge/KnowledgeBase.ts"
import type { AgentMemory } from "../memory/AgentMemory.ts"
import type { Agent } from "../run/Agent.ts"
import type { AgentTool } from "../tools/AgentTool.ts"
import { createCalculateTool } from "../tools/calculate/createCalculateTool.ts"
import { createKnowledgeTool } from "../tools/createKnowledgeTool.ts"
import { createRememberTool } from "../tools/createRememberTool.ts"
import { createToolBox } from "../tools/createToolBox.ts"
import { createHttpTool } from "../tools/http/createHttpTool.ts"
import { DEFAULT_FETCH_RULES } from "../tools/http/fetchSafely.ts"
import type { McpServerError } from "../tools/mcp/McpServerConfig.ts"
import { createSearchTool } from "../tools/search/createSearchTool.ts"
import { createWeatherTool } from "../tools/weather/createWeatherTool.ts"
import { openMcpServer } from "./openMcpServer.ts"
import { openSearch, openWeather } from "./openProviders.ts"
import { type Environment, keyHeader } from "./readKey.ts"

/** An agent but for its model, which each run may have another of. */
export type AgentParts = Omit<Agent, "model">

/** What agents are made of beside their settings. */
export interface AgentSurroundings {
  /** Undefined remembers nothing. */
  readonly memory: AgentMemory | undefined
  /** The agent's own documents; undefined where its settings name none. */
  readonly knowledge: KnowledgeBase | undefined
  /** What it searches without a network, where it has no documents of its own. */
  readonly documents: KnowledgeBase
  readonly environment: Environment
  readonly nowMs: () => number
}

/** Of `search_knowledge`. */
const NUM_PASSAGES = 4

/**
 * Makes an agent ready to run: keys are read, MCP servers connected to; they are let go of when the scope ends.
 *
 * @throws AgentSettingsError where the environment lacks a key
 */
export const openAgent = Effect.fn("openAgent")(function* (
  settings: AgentSettings,
  surroundings: AgentSurroundings,
): Effect.fn.Return<AgentParts, McpServerError, Scope.Scope> {
  const { memory, knowledge, environment } = surroundings
  const own = createOwnTools(settings, surroundings)
  const servers = yield* Effect.forEach(settings.mcp, (server) => openMcpServer(server, environment), {
    concurrency: "unbounded",
  })
  const fromServers = servers.flat()
  const { config } = settings
  return {
    config: { ...config, tools: [...config.tools, ...fromServers.map(({ name }) => name)] },
    tools: createToolBox([...own, ...fromServers]),
    ...(memory === undefined ? {} : { memory }),
    ...(knowledge === undefined ? {} : { knowledge }),
  }
})

/** Makes the tools of the house and the user's endpoints: all that settings allow the agent. */
function createOwnTools(settings: AgentSettings, surroundings: AgentSurroundings): readonly AgentTool[] {
  const { config, http, allowHosts } = settings
  const { memory, knowledge, documents, environment, nowMs } = surroundings
  const rules = { ...DEFAULT_FETCH_RULES, allowHosts }
  const tools = [
    createCalculateTool(),
    createWeatherTool(openWeather(settings.weather, { rules, environment, nowMs })),
    createSearchTool(
      openSearch(settings.search, { rules, environment, documents: knowledge ?? documents }),
      settings.search.numResults,
    ),
    ...(knowledge === undefined ? [] : [createKnowledgeTool(knowledge, NUM_PASSAGES)]),
    ...(memory === undefined ? [] : [createRememberTool(memory, config.name, nowMs)]),
    ...http.map(({ key, timeoutMs = rules.timeoutMs, ...tool }) =>
      createHttpTool({ ...tool, key: key && keyHeader(key, environment, tool.name), rules: { ...rules, timeoutMs } }),
    ),
  ]
  return tools.filter(({ name }) => config.tools.includes(name))
}
