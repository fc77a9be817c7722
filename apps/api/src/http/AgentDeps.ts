import type { AgentEvent } from "@consilium/agent"
import type { AgentService } from "../agents/AgentService.ts"

/** What routes of agents work with. */
export interface AgentDeps {
  /** Known without opening any. */
  readonly agentNames: readonly string[]
  /** Opens them when somebody asks for the first time, unless settings have some of their own. @throws what opening them does (rejects) */
  readonly agents: () => Promise<AgentService>
  readonly metrics: AgentMetrics
}

export interface AgentMetrics {
  /** Takes in what happens in a run. */
  noteAgentEvent(agent: string, event: AgentEvent): void
}
