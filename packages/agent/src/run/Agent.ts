import type { ChatMessage } from "@consilium/serving"
import type { KnowledgeBase } from "../knowledge/KnowledgeBase.ts"
import type { AgentMemory, MemoryScope } from "../memory/AgentMemory.ts"
import type { AgentModel } from "../model/AgentModel.ts"
import type { ToolBox } from "../tools/ToolBox.ts"
import type { AgentConfig } from "./AgentConfig.ts"

/** An agent, ready to run. */
export interface Agent {
  readonly config: AgentConfig
  readonly model: AgentModel
  /** All there are: `config.tools` says which it has a right to. */
  readonly tools: ToolBox
  readonly memory?: AgentMemory
  readonly knowledge?: KnowledgeBase
}

/** What a run is asked. */
export interface AgentRequest {
  readonly runId: string
  /** Oldest first, the user's question last. More than one turn is the client's own history: turns are then not recalled beside it. */
  readonly messages: readonly ChatMessage[]
  /** Whose facts and which conversation; undefined remembers nothing. */
  readonly scope: Omit<MemoryScope, "agent"> | undefined
  /** Names of tools whose calls the user has confirmed beforehand. */
  readonly confirmed: readonly string[]
}
