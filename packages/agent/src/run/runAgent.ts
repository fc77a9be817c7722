import { Clock, Effect, Result } from "effect"
import { PromptError } from "@consilium/serving"
import { citedSources } from "../knowledge/citedSources.ts"
import { AgentModelError } from "../model/AgentModel.ts"
import { findCalls } from "../tools/repair/findCalls.ts"
import { advance } from "./advance.ts"
import type { Agent, AgentRequest } from "./Agent.ts"
import type { AgentEvent } from "./AgentEvent.ts"
import { createTextGate } from "./createTextGate.ts"
import { planTurn } from "./planTurn.ts"
import type { RunInput } from "./RunInput.ts"
import type { RunState } from "./RunState.ts"
import { startRun } from "./startRun.ts"

type Say = (event: AgentEvent) => void

/** How a run ended. */
export interface RunOutcome {
  readonly ended: Extract<AgentEvent, { readonly type: "ended" }>
  /** Where it waits for a person: what `resumeAgent` goes on with. */
  readonly waiting: RunState | undefined
}

/** Longest that a timer waits. */
const MOST_MS = 2 ** 31 - 1

/**
 * Runs an agent: recall → ask the model → call tools → ask again … → answer → remember.
 *
 * Interrupting it ends the model's work and aborts the tools. Whichever limit is reached first ends it with what there is.
 *
 * @param say called plainly with each event as it comes; `ended` is the last, unless the run fails or is interrupted
 */
export const runAgent = Effect.fn("runAgent")(function* (
  agent: Agent,
  request: AgentRequest,
  say: Say,
): Effect.fn.Return<RunOutcome, AgentModelError> {
  const state = startRun(agent, request)
  say({ type: "started", runId: request.runId, agent: agent.config.name, model: agent.model.id })
  return yield* drive(agent, state, say)
})

/**
 * Goes on with a run that waits for a person. Calls without a decision go on waiting: it then ends as before.
 *
 * @param decisions true confirms a call, false refuses it
 * @throws Error where the state is another agent's, or waits for nobody
 */
export const resumeAgent = Effect.fn("resumeAgent")(function* (
  agent: Agent,
  state: RunState,
  decisions: Readonly<Record<string, boolean>>,
  say: Say,
): Effect.fn.Return<RunOutcome, AgentModelError> {
  if (state.agent !== agent.config.name)
    throw new Error(`run ${state.runId}: expected one of agent ${agent.config.name}, found one of ${state.agent}`)
  const resumed = advance(state, { type: "decided", decisions }, rulesOf(agent))
  resumed.events.forEach(say)
  return yield* drive(agent, resumed.state, say)
})

const rulesOf = ({ config, tools, model }: Agent) => ({ config, tools, model })

/** A run under way: the only place where its state changes. */
interface Running {
  readonly agent: Agent
  readonly state: RunState
  /** What the model has said of the answer that it is at. */
  partial: string
  readonly take: (input: RunInput) => void
  readonly say: Say
}

const drive = Effect.fnUntraced(function* (
  agent: Agent,
  first: RunState,
  say: Say,
): Effect.fn.Return<RunOutcome, AgentModelError> {
  const { limits } = agent.config
  const clock = yield* Clock.Clock
  const beganMs = clock.currentTimeMillisUnsafe() - first.spentMs
  let state = first
  let isOpen = true
  const run: Running = {
    agent,
    get state() {
      return state
    },
    partial: "",
    take(input) {
      const advanced = advance(state, input, rulesOf(agent))
      state = advanced.state
      advanced.events.forEach(say)
    },
    say: (event) => (isOpen ? say(event) : undefined),
  }
  yield* untilEnded(run).pipe(
    Effect.timeoutOrElse({
      duration: Math.min(MOST_MS, Math.max(0, limits.maxMs - first.spentMs)),
      orElse: () => Effect.sync(() => run.take({ type: "reached", limit: "time", text: run.partial })),
    }),
    Effect.ensuring(Effect.sync(() => (isOpen = false))),
  )
  if (state.next.kind !== "ended") throw new Error(`run ${state.runId}: expected its end, found ${state.next.kind}`)
  const ms = clock.currentTimeMillisUnsafe() - beganMs
  const { next, text, sources, usage, numSteps } = state
  const cited = citedSources(text, sources)
  const read = sources.map((source, i) => ({ number: i + 1, ...source, isCited: cited.includes(source) }))
  const ended = { type: "ended", end: next.end, text, sources: read, usage, numSteps, ms } as const
  const isWaiting = next.end === "confirmation"
  if (!isWaiting) yield* remember(agent, state)
  say(ended)
  return { ended, waiting: isWaiting ? { ...state, spentMs: ms } : undefined }
})

const untilEnded = Effect.fnUntraced(function* (run: Running): Effect.fn.Return<void, AgentModelError> {
  for (;;) {
    switch (run.state.next.kind) {
      case "recall":
        yield* recall(run)
        break
      case "ask":
        yield* ask(run)
        break
      case "call":
        yield* callTools(run)
        break
      case "ended":
        return
    }
  }
})

/** Recalls what belongs to the question. Without it a run is worse, but not over: a failure is told to operators. */
const recall = Effect.fnUntraced(function* ({ agent, state, take }: Running): Effect.fn.Return<void> {
  const { config, model, memory, knowledge } = agent
  const nowMs = yield* Clock.currentTimeMillis
  const { question } = state.context
  const { memoryTokens: budgetTokens, numPassages, name } = config
  const recalled =
    memory === undefined || state.scope === undefined || budgetTokens === 0
      ? undefined
      : yield* attempt(`agent ${name}: nothing is recalled`, () =>
          memory.recall({
            ...state.scope!,
            agent: name,
            text: question,
            budgetTokens,
            countTokens: model.countTokens,
            nowMs,
          }),
        )
  const passages =
    knowledge === undefined || numPassages === 0
      ? undefined
      : yield* attempt(`agent ${name}: no passages are found`, () => knowledge.search(question, numPassages))
  take({ type: "recalled", recalled, passages })
})

/** Asks the model once. */
const ask = Effect.fnUntraced(function* (run: Running): Effect.fn.Return<void, AgentModelError> {
  const { agent, state, take, say } = run
  const planned = planTurn(state, rulesOf(agent))
  if (planned.kind === "limit") return take({ type: "reached", limit: planned.limit, text: "" })
  if (planned.kind === "too-long") {
    const cause = new PromptError({ code: "context-overflow", param: "messages", message: planned.message })
    return yield* new AgentModelError({ message: planned.message, cause })
  }
  const step = state.numSteps + 1
  const gate = createTextGate((text) => {
    run.partial += text
    say({ type: "text", step, text })
  })
  run.partial = ""
  const beganMs = yield* Clock.currentTimeMillis
  const result = yield* Effect.result(agent.model.answer(planned.turn, (text) => gate.push(text)))
  const ms = (yield* Clock.currentTimeMillis) - beganMs
  if (Result.isFailure(result)) {
    if (result.failure.isOverBudget === true) return take({ type: "reached", limit: "cost", text: run.partial })
    return yield* result.failure
  }
  const reply = result.success
  gate.end(findCalls(reply.text, agent.tools.names, reply.reason !== "length").text)
  run.partial = ""
  take({ type: "replied", reply, ms })
})

/** Calls what is ready, side by side. */
const callTools = Effect.fnUntraced(function* ({ agent, state, take }: Running): Effect.fn.Return<void> {
  const { toolTimeoutMs, maxParallelCalls } = agent.config.limits
  const context = { runId: state.runId, userId: state.scope?.userId }
  const ready = state.calls.filter(({ status }) => status.kind === "ready")
  yield* Effect.forEach(
    ready,
    ({ callId, tool, arguments: args }) =>
      Effect.map(
        agent.tools.call(tool, JSON.parse(args) as Readonly<Record<string, unknown>>, context, toolTimeoutMs),
        (called) => take({ type: "result", callId, ...called }),
      ),
    { concurrency: maxParallelCalls, discard: true },
  )
})

/** Keeps what was said, once there is an answer. */
const remember = Effect.fnUntraced(function* (
  { config, memory }: Agent,
  { scope, context, text }: RunState,
): Effect.fn.Return<void> {
  if (memory === undefined || scope === undefined || config.memoryTokens === 0 || text === "") return
  const nowMs = yield* Clock.currentTimeMillis
  yield* attempt(`agent ${config.name}: a turn is not remembered`, () =>
    memory.note({ ...scope, agent: config.name }, { user: context.question, answer: text, nowMs }),
  )
})

/** Returns undefined, and tells operators why, where a store failed. */
const attempt = <A>(what: string, run: () => Promise<A>): Effect.Effect<A | undefined> =>
  Effect.tryPromise(run).pipe(Effect.catch(({ cause }) => Effect.as(Effect.logWarning(what, cause), undefined)))
