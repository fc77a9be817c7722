import type { ModelUsage } from "../model/AgentModel.ts"
import type { Source } from "../tools/AgentTool.ts"

/** Something that a run read. */
export interface RunSource extends Source {
  /** From 1 on. */
  readonly number: number
  /** The answer refers to it. */
  readonly isCited: boolean
}

/** Why a run ended. */
export type RunEnd =
  /** The model answered. */
  | "answered"
  /** A limit was reached; `text` is what there is. */
  | "steps"
  | "tokens"
  | "time"
  | "cost"
  /** Calls wait for a person: the run goes on when they are confirmed or refused. */
  | "confirmation"

/** How a call went; `repeated` has been answered before, and did not run again. */
export type CallOutcome =
  | "done"
  | "failed"
  | "timed-out"
  | "bad-arguments"
  | "unknown-tool"
  | "not-allowed"
  | "refused"
  | "too-many"
  | "repeated"

/** What happens in a run, in order: streamed to clients, and kept as its trace. */
export type AgentEvent =
  | { readonly type: "started"; readonly runId: string; readonly agent: string; readonly model: string }
  | {
      readonly type: "recalled"
      readonly facts: readonly string[]
      readonly numTurns: number
      readonly hasSummary: boolean
    }
  | { readonly type: "passages"; readonly sources: readonly Source[] }
  | {
      readonly type: "step"
      readonly step: number
      readonly usage: ModelUsage
      readonly expert: string | undefined
      readonly ms: number
    }
  | { readonly type: "text"; readonly step: number; readonly text: string }
  | {
      readonly type: "call"
      readonly step: number
      readonly callId: string
      readonly tool: string
      readonly arguments: string
      readonly isRepaired: boolean
    }
  | {
      readonly type: "result"
      readonly step: number
      readonly callId: string
      readonly tool: string
      readonly outcome: CallOutcome
      readonly text: string
      readonly sources: readonly Source[]
      readonly ms: number
    }
  | {
      readonly type: "confirm"
      readonly step: number
      readonly callId: string
      readonly tool: string
      readonly arguments: string
    }
  | {
      readonly type: "ended"
      readonly end: RunEnd
      readonly text: string
      /** All that was read; numbered as the answer cites them. */
      readonly sources: readonly RunSource[]
      readonly usage: ModelUsage
      readonly numSteps: number
      readonly ms: number
    }
