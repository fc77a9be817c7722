import type { RunState } from "@consilium/agent"
import type { AgentCaller } from "./AgentService.ts"

/** A run that waits for a person. */
export interface WaitingRun {
  readonly state: RunState
  /** Who began it: nobody else goes on with it. */
  readonly caller: AgentCaller
  readonly isStream: boolean
}

/** So long a person may take. */
const MOST_MS = 15 * 60_000
/** More would be somebody who never decides. */
const MOST_RUNS = 1000

/** Keeps runs that wait for a person, for some time. Each is handed out once: going on twice would call tools twice. */
export function createWaitingRuns(nowMs: () => number) {
  const runs = new Map<string, { readonly run: WaitingRun; readonly untilMs: number }>()
  const removeOld = (): void => {
    for (const [id, { untilMs }] of runs) if (untilMs <= nowMs() || runs.size > MOST_RUNS) runs.delete(id)
  }
  return {
    keep(run: WaitingRun): void {
      runs.delete(run.state.runId)
      runs.set(run.state.runId, { run, untilMs: nowMs() + MOST_MS })
      removeOld()
    },
    /** Undefined where none of this agent and key waits. */
    take(runId: string, agent: string, key: string): WaitingRun | undefined {
      removeOld()
      const found = runs.get(runId)?.run
      if (found === undefined || found.caller.key !== key || found.state.agent !== agent) return undefined
      runs.delete(runId)
      return found
    },
  }
}
