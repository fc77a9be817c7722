import type { AgentConfig, RunLimits } from "../../src/index.ts"
import type { ScriptedTurn } from "../scriptedModel.ts"

export interface Scenario {
  readonly name: string
  /** The model's answers, in order. */
  readonly script: readonly ScriptedTurn[]
  readonly limits?: Partial<RunLimits>
  readonly config?: Partial<Omit<AgentConfig, "limits">>
  readonly confirmed?: readonly string[]
  /** What a person says each time the run waits, by tool. */
  readonly decisions?: readonly Readonly<Record<string, boolean>>[]
  /** One line for each request, call, result and end. */
  readonly trace: readonly string[]
  /** Tools that ran, in order; as the trace has them, unless it cannot show it. */
  readonly runs: readonly string[]
  /** Must be in no prompt. */
  readonly unseen?: readonly string[]
}
