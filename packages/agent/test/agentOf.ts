import {
  type Agent,
  type AgentConfig,
  type AgentModel,
  type AgentTool,
  createToolBox,
  type RunLimits,
} from "../src/index.ts"

const LIMITS: RunLimits = {
  maxSteps: 6,
  maxTokens: 100_000,
  maxMs: 20_000,
  maxCostUsd: Number.POSITIVE_INFINITY,
  maxParallelCalls: 4,
  toolTimeoutMs: 5000,
  maxResultTokens: 400,
}

interface AgentOptions extends Pick<Agent, "memory" | "knowledge"> {
  readonly model: AgentModel
  readonly tools?: readonly AgentTool[]
  readonly config?: Partial<Omit<AgentConfig, "limits">>
  readonly limits?: Partial<RunLimits>
}

/** An agent with a right to all of its tools, unless `config` says otherwise. */
export function agentOf({ model, tools = [], config, limits, ...stores }: AgentOptions): Agent {
  return {
    config: {
      name: "desk",
      description: "",
      instructions: "",
      tools: tools.map(({ name }) => name),
      limits: { ...LIMITS, ...limits },
      memoryTokens: 0,
      numPassages: 0,
      ...config,
    },
    model,
    tools: createToolBox(tools),
    ...stores,
  }
}

/** A question without a history. */
export const ask = (content: string) => ({
  runId: "r",
  messages: [{ role: "user", content } as const],
  scope: undefined,
  confirmed: [],
})
