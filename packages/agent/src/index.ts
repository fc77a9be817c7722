export type { AgentSettings } from "./config/AgentSettings.ts"
export { ASSISTANT, ASSISTANT_NAME, parseAgents } from "./config/parseAgents.ts"
export { type AgentParts, openAgent } from "./open/openAgent.ts"
export { AgentSettingsError } from "./open/readKey.ts"
export { createWordEmbedder } from "./knowledge/meaning/createWordEmbedder.ts"
export { packWordVectors } from "./knowledge/meaning/wordVectorsFile.ts"
export type { KnowledgeBase, Passage } from "./knowledge/KnowledgeBase.ts"
export {
  type FolderReport,
  type KnowledgeDocument,
  type OpenKnowledgeBase,
  openKnowledgeBase,
} from "./knowledge/openKnowledgeBase.ts"
export type { AgentMemory, MemoryScope, Recalled, RecallRequest } from "./memory/AgentMemory.ts"
export {
  type AgentModel,
  AgentModelError,
  type ModelReply,
  type ModelTurn,
  type ModelUsage,
} from "./model/AgentModel.ts"
export { createEngineModel, type EngineModelOptions } from "./model/createEngineModel.ts"
export { createExpertModel } from "./model/createExpertModel.ts"
export { createFleetModel, type FleetModelOptions } from "./model/createFleetModel.ts"
export type { Agent, AgentRequest } from "./run/Agent.ts"
export type { AgentConfig, RunLimits } from "./run/AgentConfig.ts"
export type { AgentEvent, CallOutcome, RunEnd, RunSource } from "./run/AgentEvent.ts"
export { resumeAgent, runAgent, type RunOutcome } from "./run/runAgent.ts"
export type { RunState } from "./run/RunState.ts"
export {
  type AgentTool,
  type Source,
  type SourcedText,
  type ToolContext,
  ToolError,
  type ToolResult,
} from "./tools/AgentTool.ts"
export { createToolBox } from "./tools/createToolBox.ts"
export type { ToolBox } from "./tools/ToolBox.ts"
export { createCalculateTool } from "./tools/calculate/createCalculateTool.ts"
export { DEFAULT_FETCH_RULES, type FetchRules } from "./tools/http/fetchSafely.ts"
export { createBrave } from "./tools/search/createBrave.ts"
export { createOfflineSearch } from "./tools/search/createOfflineSearch.ts"
export { createSearchTool } from "./tools/search/createSearchTool.ts"
export { createSearxng } from "./tools/search/createSearxng.ts"
export type { SearchProvider, SearchResult } from "./tools/search/SearchProvider.ts"
export { createOfflineWeather } from "./tools/weather/createOfflineWeather.ts"
export { createOpenMeteo, type OpenMeteoOptions } from "./tools/weather/createOpenMeteo.ts"
export { createWeatherTool } from "./tools/weather/createWeatherTool.ts"
export type { Condition, Weather, WeatherProvider } from "./tools/weather/WeatherProvider.ts"
export { createKnowledgeTool } from "./tools/createKnowledgeTool.ts"
export { createRememberTool } from "./tools/createRememberTool.ts"
export { createHttpTool, type HttpToolOptions } from "./tools/http/createHttpTool.ts"
export {
  type McpHttpConfig,
  type McpServerConfig,
  McpServerError,
  type McpStdioConfig,
} from "./tools/mcp/McpServerConfig.ts"
export { openMcpTools } from "./tools/mcp/openMcpTools.ts"
export { createFunctionTool, type FunctionToolOptions } from "./tools/createFunctionTool.ts"
export { type MemoryOptions, type OpenMemory, openSqliteMemory } from "./memory/openSqliteMemory.ts"
export type { Summarise, SummaryTask } from "./memory/Summarise.ts"
export { StoreError } from "./store/StoreError.ts"
