import type { Tool } from "@consilium/serving"
import type { Effect } from "effect"
import type { CallOutcome } from "../run/AgentEvent.ts"
import type { AgentTool, Source, SourcedText, ToolContext } from "./AgentTool.ts"
import type { CheckedArguments } from "./checkArguments.ts"

/** What came of a call that ran. */
export interface CalledTool {
  readonly outcome: Extract<CallOutcome, "done" | "failed" | "timed-out" | "unknown-tool">
  readonly text: string
  readonly sources: readonly Source[]
  /** Not yet numbered. */
  readonly passages: readonly SourcedText[]
  readonly ms: number
}

/** All tools of a service; which of them an agent may call is the agent's matter. */
export interface ToolBox {
  readonly names: readonly string[]
  /** Undefined where there is none of this name. */
  readonly find: (name: string) => AgentTool | undefined
  /** Describes tools to a model; names of none are left out. */
  readonly describe: (names: readonly string[]) => readonly Tool[]
  /** Reads and checks a call's arguments, mended where that is plain. @throws Error where there is no tool of this name */
  readonly check: (name: string, text: string, mayEndEarly: boolean) => CheckedArguments
  /**
   * Calls a tool. Whatever it does, this does not fail; interrupting it aborts the tool's signal.
   *
   * @param timeoutMs of a tool that does not say its own
   */
  readonly call: (
    name: string,
    args: Readonly<Record<string, unknown>>,
    context: Omit<ToolContext, "signal">,
    timeoutMs: number,
  ) => Effect.Effect<CalledTool>
}
