export { citedSources } from "./knowledge/citedSources.ts"
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
export type { AgentConfig, RunLimits } from "./run/AgentConfig.ts"
export type { AgentEvent, CallOutcome, RunEnd } from "./run/AgentEvent.ts"
export { type AgentTool, type Source, type ToolContext, ToolError, type ToolResult } from "./tools/AgentTool.ts"
export { renderPassages, type RenderedPassages } from "./knowledge/renderPassages.ts"
export { type MemoryOptions, type OpenMemory, openSqliteMemory } from "./memory/openSqliteMemory.ts"
export type { Summarise, SummaryTask } from "./memory/Summarise.ts"
export { StoreError } from "./store/StoreError.ts"
