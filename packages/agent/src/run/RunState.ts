import type { ChatMessage } from "@consilium/serving"
import type { MemoryScope } from "../memory/AgentMemory.ts"
import type { ModelUsage } from "../model/AgentModel.ts"
import type { Source } from "../tools/AgentTool.ts"
import type { RunEnd } from "./AgentEvent.ts"

/** A call of the step under way. */
export interface RunCall {
  readonly callId: string
  readonly tool: string
  /** JSON, mended; what nobody could read stands as it was written. */
  readonly arguments: string
  readonly status:
    | { readonly kind: "ready" }
    /** For a person. */
    | { readonly kind: "waiting" }
    /** It is the same as an earlier call of this step, and shares its result. */
    | { readonly kind: "copy"; readonly of: string }
    | { readonly kind: "settled"; readonly text: string }
}

/** A passage of the knowledge base, with the number that answers cite. */
export interface NumberedPassage {
  readonly number: number
  readonly title: string
  readonly text: string
}

/** What a prompt is made of, beside what the run itself has said. */
export interface RunContext {
  readonly instructions: string
  /** The client's own history, or the turns that were recalled. */
  readonly history: readonly ChatMessage[]
  /** History may be left out where the context is short: a client's own may not. */
  readonly isRecalled: boolean
  readonly summary: string | undefined
  readonly facts: readonly string[]
  readonly passages: readonly NumberedPassage[]
  readonly question: string
}

/**
 * A run as plain data: as JSON it can be kept while a person decides, and gone on with in another process.
 *
 * Whoever keeps it hands it out once: going on twice would call tools twice.
 */
export interface RunState {
  readonly runId: string
  readonly agent: string
  readonly scope: Omit<MemoryScope, "agent"> | undefined
  readonly confirmed: readonly string[]
  readonly context: RunContext
  /** The model's answers with their calls, and the results. */
  readonly said: readonly ChatMessage[]
  readonly numSteps: number
  readonly calls: readonly RunCall[]
  /** Calls that have their result, by name and arguments. */
  readonly answered: readonly { readonly key: string; readonly text: string }[]
  /** Steps with calls that nobody could carry out as they were. */
  readonly numBadSteps: number
  readonly numRepeats: number
  readonly usage: ModelUsage
  readonly sources: readonly Source[]
  /** Of the latest answer, without its calls. */
  readonly text: string
  /** It took so long until it paused; what a person takes does not count. */
  readonly spentMs: number
  readonly next:
    | { readonly kind: "recall" }
    | { readonly kind: "ask" }
    | { readonly kind: "call" }
    | { readonly kind: "ended"; readonly end: RunEnd }
}
