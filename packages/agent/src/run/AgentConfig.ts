/** What bounds a run: whichever is reached first ends it with what there is. */
export interface RunLimits {
  /** Most answers of the model, the last one without tools. */
  readonly maxSteps: number
  /** Most tokens, of prompts and answers of all steps together. */
  readonly maxTokens: number
  readonly maxMs: number
  /** In US dollars; Infinity for no limit. */
  readonly maxCostUsd: number
  /** Most calls in one step; more are refused. */
  readonly maxParallelCalls: number
  /** Of a tool that does not say its own. */
  readonly toolTimeoutMs: number
  /** Most tokens of a tool's result; the rest is cut. */
  readonly maxResultTokens: number
}

/** An agent as its settings describe it. */
export interface AgentConfig {
  /** 1 to 64 letters, digits, `_` or `-`. */
  readonly name: string
  readonly description: string
  readonly instructions: string
  /** Names of the tools it may call: it has no right to any other. */
  readonly tools: readonly string[]
  readonly limits: RunLimits
  /** Most tokens of what is remembered in a prompt; 0 remembers nothing. */
  readonly memoryTokens: number
  /** Most passages of the knowledge base in a prompt before the model is asked; 0 leaves it to `search_knowledge`. */
  readonly numPassages: number
}
