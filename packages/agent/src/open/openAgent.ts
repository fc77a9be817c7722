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
import type { ToolBox } from "../tools/ToolBox.ts"
import { createHttpTool } from "../tools/http/createHttpTool.ts"
import { DEFAULT_FETCH_RULES } from "../tools/http/fetchSafely.ts"
import type { McpServerError } from "../tools/mcp/McpServerConfig.ts"
import { createSearchTool } from "../tools/search/createSearchTool.ts"
import { createWeatherTool } from "../tools/weather/createWeatherTool.ts"
import { openMcpServer } from "./openMcpServer.ts"
import { openSearch, openWeather } from "./openProviders.ts"
import { AgentSettingsError, type Environment, keyHeader } from "./readKey.ts"

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
 * @throws AgentSettingsError where the environment lacks a key, or tools of two servers have one name
 */
export const openAgent = Effect.fn("openAgent")(function* (
  settings: AgentSettings,
  surroundings: AgentSurroundings,
): Effect.fn.Return<AgentParts, McpServerError, Scope.Scope> {
  const { memory, knowledge, environment } = surroundings
  const { config } = settings
  const path = `agents.${config.name}`
  const own = createOwnTools(settings, surroundings, path)
  const servers = yield* Effect.forEach(
    settings.mcp,
    (server) => openMcpServer(server, environment, `${path}.mcp.${server.name}`),
    { concurrency: "unbounded" },
  )
  const fromServers = servers.flat()
  // Nobody remembers without a memory, whatever the table says.
  const ownNames = config.tools.filter((name) => own.some((tool) => tool.name === name))
  return {
    config: { ...config, tools: [...ownNames, ...fromServers.map(({ name }) => name)] },
    tools: createTools([...own, ...fromServers], path),
    ...(memory === undefined ? {} : { memory }),
    ...(knowledge === undefined ? {} : { knowledge }),
  }
})

/** @throws AgentSettingsError on a name that is used twice */
function createTools(tools: readonly AgentTool[], path: string): ToolBox {
  try {
    return createToolBox(tools)
  } catch (error) {
    throw new AgentSettingsError(`${path}: ${(error as Error).message}`, { cause: error })
  }
}

/** Makes the tools of the house and the user's endpoints: all that settings allow the agent. */
function createOwnTools(settings: AgentSettings, surroundings: AgentSurroundings, path: string): readonly AgentTool[] {
  const { config, http, allowHosts } = settings
  const { memory, knowledge, documents, environment, nowMs } = surroundings
  const rules = { ...DEFAULT_FETCH_RULES, allowHosts }
  const tools = [
    createCalculateTool(),
    createWeatherTool(openWeather(settings.weather, { path, rules, environment, nowMs })),
    createSearchTool(
      openSearch(settings.search, { path, rules, environment, documents: knowledge ?? documents }),
      settings.search.numResults,
    ),
    ...(knowledge === undefined ? [] : [createKnowledgeTool(knowledge, NUM_PASSAGES)]),
    ...(memory === undefined ? [] : [createRememberTool(memory, config.name, nowMs)]),
    ...http.map(({ key, timeoutMs = rules.timeoutMs, ...tool }) =>
      createHttpTool({
        ...tool,
        key: key && keyHeader(key, environment, `${path}.http.${tool.name}`),
        rules: { ...rules, timeoutMs },
      }),
    ),
  ]
  return tools.filter(({ name }) => config.tools.includes(name))
}
