import {
  type Agent,
  type AgentMemory,
  type AgentModelError,
  type AgentParts,
  type AgentSettings,
  resumeAgent,
  runAgent,
  type RunOutcome,
  StoreError,
} from "@consilium/agent"
import { Effect, Logger } from "effect"
import { ApiError } from "../http/ApiError.ts"
import type { AgentAsk, AgentCaller, AgentService, ModelOfRun, Warn } from "./AgentService.ts"
import { createWaitingRuns } from "./createWaitingRuns.ts"
import { scopedUser } from "./scopedUser.ts"

/** An agent with what its table says of its model. */
export interface OpenedAgent extends AgentParts {
  readonly settings: Pick<AgentSettings, "model" | "contextLength">
}

export interface AgentServiceOptions {
  readonly agents: readonly OpenedAgent[]
  readonly memory: AgentMemory | undefined
  readonly modelOf: ModelOfRun
  readonly nowMs: () => number
}

/** Puts agents and the model that they ask together. */
export function createAgentService({ agents, memory, modelOf, nowMs }: AgentServiceOptions): AgentService {
  const byName = new Map(agents.map((agent) => [agent.config.name, agent]))
  const waiting = createWaitingRuns(nowMs)

  const ready = (
    name: string,
    run: {
      readonly runId: string
      readonly caller: AgentCaller
      readonly isStream: boolean
      readonly warn: Warn | undefined
    },
  ): Effect.Effect<Agent, AgentModelError | ApiError> =>
    Effect.gen(function* () {
      const agent = byName.get(name)
      if (agent === undefined) return yield* Effect.fail(unknownAgent(name, [...byName.keys()]))
      const { settings, ...parts } = agent
      return { ...parts, model: yield* modelOf({ ...run, ...settings, agent: name, warn: run.warn ?? (() => {}) }) }
    })
  const keep = (
    { caller, isStream }: Pick<AgentAsk, "caller" | "isStream">,
    { ended, waiting: state }: RunOutcome,
  ): RunOutcome => {
    if (state !== undefined) waiting.keep({ state, caller, isStream })
    return { ended, waiting: state }
  }

  return {
    agents: agents.map(({ config }) => config),
    run: (ask, say, warn) =>
      Effect.gen(function* () {
        const agent = yield* ready(ask.agent, { ...ask, warn })
        const { runId, messages, confirmed, user, conversation, caller } = ask
        const scope =
          user === undefined ? undefined : { userId: scopedUser(caller.key, user), conversationId: conversation }
        return keep(ask, yield* runAgent(agent, { runId, messages, confirmed, scope }, say))
      }).pipe(toOperators),
    decide: ({ runId, agent: name, calls, key }, say, warn) =>
      Effect.gen(function* () {
        const kept = waiting.take(runId, name, key)
        if (kept === undefined) return yield* Effect.fail(unknownRun(runId))
        const pending = kept.state.calls.filter(({ status }) => status.kind === "waiting").map(({ callId }) => callId)
        const stray = Object.keys(calls).find((id) => !pending.includes(id))
        if (stray !== undefined) {
          waiting.keep(kept)
          return yield* Effect.fail(unknownCall(stray, pending))
        }
        const { state, ...asked } = kept
        // Until its model is there nothing has been called: whatever stops it here, a client that leaves too, it can be decided anew.
        const agent = yield* Effect.onError(ready(name, { runId, ...asked, warn }), () =>
          Effect.sync(() => waiting.keep(kept)),
        )
        return keep(asked, yield* resumeAgent(agent, state, calls, say))
      }).pipe(toOperators),
    forget: async (key, user) => (memory === undefined ? 0 : memory.forget(scopedUser(key, user)).catch(notForgotten)),
  }
}

/** Says what goes wrong beside a run on standard error: standard output is a terminal's answer. */
const toOperators = <A, E>(run: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.provideService(run, Logger.LogToStderr, true)

/** Why is the operator's to know: it names files of this machine. @throws ApiError */
function notForgotten(error: unknown): never {
  if (!(error instanceof StoreError)) throw error
  console.error(`a user is not forgotten: ${error.message}`)
  throw new ApiError({
    status: 503,
    type: "unavailable_error",
    code: "memory_unavailable",
    message: "What is remembered of this user could not be removed entirely: ask again. The service's log says why.",
  })
}

function unknownAgent(name: string, names: readonly string[]): ApiError {
  const known = names.map((one) => JSON.stringify(one)).join(", ")
  return new ApiError({
    status: 404,
    type: "invalid_request_error",
    code: "agent_not_found",
    message: `There is no agent ${JSON.stringify(name)} here: expected one of ${known}.`,
  })
}

function unknownRun(runId: string): ApiError {
  return new ApiError({
    status: 404,
    type: "invalid_request_error",
    code: "run_not_found",
    message: `No run ${JSON.stringify(runId)} of this agent waits for you: it has gone on, or waited too long.`,
  })
}

function unknownCall(id: string, pending: readonly string[]): ApiError {
  return new ApiError({
    status: 400,
    type: "invalid_request_error",
    code: "invalid_value",
    param: "calls",
    message: `calls: expected ids of calls that wait (${pending.join(", ")}), found ${JSON.stringify(id)}.`,
  })
}
