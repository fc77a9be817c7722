import { sourcedText } from "../knowledge/sourcedText.ts"
import type { Source } from "../tools/AgentTool.ts"
/**
 * A run's front page: what happens to it, one thing after another, and what it does next.
 *
 * It asks no model, calls no tool and knows no clock: `runAgent` does, as `next` says.
 */
import type { ChatMessage } from "@consilium/serving"
import { errorText } from "../tools/errorText.ts"
import { findCalls } from "../tools/repair/findCalls.ts"
import type { AgentEvent } from "./AgentEvent.ts"
import { planCalls, type PlannedCall } from "./planCalls.ts"
import { neutralise } from "./prompt/neutralise.ts"
import { numberPassages } from "./prompt/numberPassages.ts"
import type { CallResult, RunInput } from "./RunInput.ts"
import { offersTools, type RunRules } from "./RunRules.ts"
import type { RunCall, RunState } from "./RunState.ts"
import { type Advanced, proceed, resultOf, settle, settleAll } from "./settleCalls.ts"

/** Takes what happened into a run. Pure. @throws Error on what cannot happen to it now */
export function advance(state: RunState, input: RunInput, rules: RunRules): Advanced {
  switch (input.type) {
    case "recalled":
      return takeRecalled(state, input)
    case "replied":
      return takeReply(state, input, rules)
    case "result":
      return takeResult(state, input, rules)
    case "decided":
      return takeDecisions(state, input, rules)
    case "reached":
      return takeLimit(state, input, rules)
  }
}

function takeRecalled(state: RunState, { recalled, passages }: Extract<RunInput, { type: "recalled" }>): Advanced {
  const { context } = state
  const hasHistory = context.history.length > 0
  const { facts = [], summary, turns = [] } = recalled ?? {}
  const sources: Source[] = []
  const numbered = numberPassages(sources, (passages ?? []).map(sourcedText))
  const events: AgentEvent[] = []
  if (recalled !== undefined)
    events.push({
      type: "recalled",
      facts,
      numTurns: hasHistory ? 0 : turns.length,
      hasSummary: !hasHistory && summary !== undefined,
    })
  if (passages !== undefined) events.push({ type: "passages", sources })
  const own = hasHistory ? {} : { history: turns, isRecalled: true, summary }
  return {
    state: {
      ...state,
      context: { ...context, ...own, facts, passages: numbered },
      sources,
      next: { kind: "ask" },
    },
    events,
  }
}

function takeReply(state: RunState, { reply, ms }: Extract<RunInput, { type: "replied" }>, rules: RunRules): Advanced {
  const isCut = reply.reason === "length"
  const hasTools = offersTools(state, rules)
  const step = state.numSteps + 1
  const found = findCalls(reply.text, rules.tools.names, !isCut)
  const calls = [
    ...reply.calls.map((call) => ({ ...call, isRepaired: false })),
    ...found.calls.map((call) => ({ ...call, id: "", isRepaired: true })),
  ]
  const usage = {
    promptTokens: state.usage.promptTokens + reply.usage.promptTokens,
    generatedTokens: state.usage.generatedTokens + reply.usage.generatedTokens,
    costUsd: state.usage.costUsd + reply.usage.costUsd,
  }
  const asked: RunState = { ...state, numSteps: step, usage, text: found.text }
  const event: AgentEvent = { type: "step", step, usage: reply.usage, expert: reply.expert, ms }
  if (!hasTools || calls.length === 0) {
    // Calls that were not asked for do not count; with nothing beside them, there is no answer.
    const end = isCut ? "tokens" : calls.length > 0 && found.text.trim() === "" ? "steps" : "answered"
    return { state: { ...asked, next: { kind: "ended", end } }, events: [event] }
  }
  const planned = planCalls(calls, state, rules, !isCut)
  const { state: called, events } = beginCalls(asked, planned, rules)
  return { state: called, events: [event, ...events] }
}

/** Notes the calls of a step, and settles those that need not run. */
function beginCalls(state: RunState, planned: readonly PlannedCall[], rules: RunRules): Advanced {
  const step = state.numSteps
  const answer: ChatMessage = {
    role: "assistant",
    content: state.text,
    toolCalls: planned.map(({ callId, tool, arguments: args }) => ({
      id: callId,
      name: tool,
      arguments: neutralise(args),
    })),
  }
  const outcomes = planned.map(({ plan }) => (plan.kind === "settled" ? plan.outcome : undefined))
  const isBad = outcomes.some(
    (outcome) => outcome === "bad-arguments" || outcome === "unknown-tool" || outcome === "not-allowed",
  )
  const begun: RunState = {
    ...state,
    said: [...state.said, answer],
    calls: planned.map(({ callId, tool, arguments: args, plan }) => ({
      callId,
      tool,
      arguments: args,
      // Until it is settled below.
      status: plan.kind === "settled" ? { kind: "waiting" } : plan,
    })),
    numBadSteps: state.numBadSteps + (isBad ? 1 : 0),
    numRepeats: state.numRepeats + planned.filter(({ plan }) => isRepeat(plan)).length,
  }
  const events: AgentEvent[] = planned.map(({ callId, tool, arguments: args, isRepaired }) => ({
    type: "call",
    step,
    callId,
    tool,
    arguments: args,
    isRepaired,
  }))
  const results = planned.flatMap(({ callId, plan }) =>
    plan.kind === "settled" ? [resultOf(callId, plan.outcome, plan.text)] : [],
  )
  return proceed(settleAll({ state: begun, events }, results, rules))
}

function isRepeat(plan: PlannedCall["plan"]): boolean {
  return plan.kind === "copy" || (plan.kind === "settled" && plan.outcome === "repeated")
}

function takeResult(state: RunState, result: CallResult, rules: RunRules): Advanced {
  return proceed(settle({ state, events: [] }, result, rules))
}

function takeDecisions(
  state: RunState,
  { decisions }: Extract<RunInput, { type: "decided" }>,
  rules: RunRules,
): Advanced {
  if (state.next.kind !== "ended" || state.next.end !== "confirmation")
    throw new Error(`run ${state.runId}: expected one that waits for a person, found one that does not`)
  const waiting = state.calls.filter(({ status }) => status.kind === "waiting")
  const isAllowed = ({ tool }: RunCall): boolean =>
    rules.config.tools.includes(tool) && rules.tools.find(tool) !== undefined
  const confirmed = waiting
    .filter((call) => decisions[call.callId] === true && isAllowed(call))
    .map(({ callId }) => callId)
  const results = waiting.flatMap((call) => {
    const decision = Object.hasOwn(decisions, call.callId) ? decisions[call.callId] : undefined
    if (decision === undefined || confirmed.includes(call.callId)) return []
    // Rights may have changed while somebody decided.
    if (decision) return [resultOf(call.callId, "not-allowed", errorText("permission denied"))]
    return [resultOf(call.callId, "refused", errorText("the user refused this call", { cure: "do not call it again" }))]
  })
  const calls = state.calls.map((call): RunCall =>
    confirmed.includes(call.callId) ? { ...call, status: { kind: "ready" } } : call,
  )
  return proceed(settleAll({ state: { ...state, calls }, events: [] }, results, rules))
}

function takeLimit(
  state: RunState,
  { limit, text }: Extract<RunInput, { type: "reached" }>,
  rules: RunRules,
): Advanced {
  const open = state.calls.filter(({ status }) => status.kind === "ready" || status.kind === "waiting")
  const results = open.map(({ callId }) => resultOf(callId, "timed-out", errorText("the run ended before it answered")))
  const advanced = settleAll({ state, events: [] }, results, rules)
  return {
    ...advanced,
    state: { ...advanced.state, text: text === "" ? state.text : text, next: { kind: "ended", end: limit } },
  }
}
