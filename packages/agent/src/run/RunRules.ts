import type { AgentConfig } from "./AgentConfig.ts"
import type { ToolBox } from "../tools/ToolBox.ts"
import type { AgentModel } from "../model/AgentModel.ts"
import type { RunState } from "./RunState.ts"

/** What a run's decisions rest on: it stays the same from step to step. */
export interface RunRules {
  readonly config: AgentConfig
  readonly tools: Pick<ToolBox, "names" | "find" | "describe" | "check">
  readonly model: Pick<AgentModel, "contextLength" | "countTokens">
}

/** One step with calls that cannot be carried out is told to the model; after a second it answers without tools. */
const MOST_BAD_STEPS = 2
/** So many calls that have been answered before are a loop. */
const MOST_REPEATS = 3

/** Whether the next step is asked with tools: not the last one, and not a model that cannot use them. */
export function offersTools({ numSteps, numBadSteps, numRepeats }: RunState, { config }: RunRules): boolean {
  const isLast = numSteps + 1 >= config.limits.maxSteps
  return !isLast && config.tools.length > 0 && numBadSteps < MOST_BAD_STEPS && numRepeats < MOST_REPEATS
}
