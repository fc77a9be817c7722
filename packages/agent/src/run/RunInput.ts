import type { Passage } from "../knowledge/KnowledgeBase.ts"
import type { Recalled } from "../memory/AgentMemory.ts"
import type { ModelReply } from "../model/AgentModel.ts"
import type { Source, SourcedText } from "../tools/AgentTool.ts"
import type { CallOutcome } from "./AgentEvent.ts"

/** What happens to a run. */
export type RunInput =
  | {
      readonly type: "recalled"
      /** Undefined where the agent remembers nothing, or has no passages before it asks. */
      readonly recalled: Recalled | undefined
      readonly passages: readonly Passage[] | undefined
    }
  | { readonly type: "replied"; readonly reply: ModelReply; readonly ms: number }
  | CallResult
  /** A person's answers, by call; calls that are not among them go on waiting. */
  | { readonly type: "decided"; readonly decisions: Readonly<Record<string, boolean>> }
  /** @param text what the model had said of its answer */
  | { readonly type: "reached"; readonly limit: "steps" | "tokens" | "time" | "cost"; readonly text: string }

/** What came of a call. */
export interface CallResult {
  readonly type: "result"
  readonly callId: string
  readonly outcome: CallOutcome
  readonly text: string
  readonly sources: readonly Source[]
  readonly passages: readonly SourcedText[]
  readonly ms: number
}
