import type { ChatMessage } from "@consilium/serving"
import { cutText } from "../tools/cutText.ts"
import type { AgentEvent } from "./AgentEvent.ts"
import { callKey } from "./callKey.ts"
import { repeatText } from "./planCalls.ts"
import { neutralise } from "./prompt/neutralise.ts"
import { addSources, numberPassages } from "./prompt/numberPassages.ts"
import type { CallResult } from "./RunInput.ts"
import type { RunRules } from "./RunRules.ts"
import type { RunCall, RunState } from "./RunState.ts"

/** A run after something happened, and what is told of it. */
export interface Advanced {
  readonly state: RunState
  readonly events: readonly AgentEvent[]
}

/** Returns a result that no tool gave. */
export const resultOf = (callId: string, outcome: CallResult["outcome"], text: string): CallResult => ({
  type: "result",
  callId,
  outcome,
  text,
  sources: [],
  passages: [],
  ms: 0,
})

/** Takes several results, in their order. */
export function settleAll(advanced: Advanced, results: readonly CallResult[], rules: RunRules): Advanced {
  return results.reduce((sofar, result) => settle(sofar, result, rules), advanced)
}

/** Takes the result of a call, and of those that share it. What it says becomes data here: bounded, and without effect on the conversation. */
export function settle({ state, events }: Advanced, result: CallResult, rules: RunRules): Advanced {
  const call = state.calls.find(({ callId, status }) => callId === result.callId && status.kind !== "settled")
  if (call === undefined)
    throw new Error(`run ${state.runId}: expected the result of a call that waits, found ${result.callId}`)
  const { config, model } = rules
  const sources = [...state.sources]
  addSources(sources, result.sources)
  const blocks = numberPassages(sources, result.passages).map(
    ({ number, title, text }) => `[${number}] ${title}\n${text}`,
  )
  const whole = [result.text, ...blocks].filter((block) => block !== "").join("\n\n")
  const text = cutText(neutralise(whole), config.limits.maxResultTokens, model.countTokens)
  const isCopy = ({ status }: RunCall): boolean => status.kind === "copy" && status.of === call.callId
  const hasRun =
    result.outcome === "done" ||
    result.outcome === "failed" ||
    result.outcome === "timed-out" ||
    result.outcome === "refused"
  const key = hasRun ? [{ key: callKey(call.tool, JSON.parse(call.arguments)), text }] : []
  const told = (other: RunCall): AgentEvent[] => {
    if (other !== call && !isCopy(other)) return []
    const { passages, ...own } =
      other === call ? { ...result, text } : resultOf(other.callId, "repeated", repeatText(text))
    const read = [...own.sources]
    addSources(
      read,
      passages.map(({ title, location }) => ({ title, location })),
    )
    return [{ ...own, sources: read, step: state.numSteps, tool: other.tool }]
  }
  return {
    state: {
      ...state,
      sources,
      answered: [...state.answered, ...key],
      calls: state.calls.map((other) => {
        if (other !== call && !isCopy(other)) return other
        return { ...other, status: { kind: "settled", text: other === call ? text : repeatText(text) } }
      }),
    },
    events: [...events, ...state.calls.flatMap(told)],
  }
}

/** Says what a step's calls want next: to run, a person, or the model. */
export function proceed({ state, events }: Advanced): Advanced {
  const kinds = new Set(state.calls.map(({ status }) => status.kind))
  if (kinds.has("ready")) return { state: { ...state, next: { kind: "call" } }, events }
  if (kinds.has("waiting")) {
    const confirms = state.calls.flatMap(({ callId, tool, arguments: args, status }): AgentEvent[] =>
      status.kind === "waiting" ? [{ type: "confirm", step: state.numSteps, callId, tool, arguments: args }] : [],
    )
    return { state: { ...state, next: { kind: "ended", end: "confirmation" } }, events: [...events, ...confirms] }
  }
  const results = state.calls.map(({ callId, status }): ChatMessage => ({
    role: "tool",
    toolCallId: callId,
    content: status.kind === "settled" ? status.text : "",
  }))
  return { state: { ...state, said: [...state.said, ...results], calls: [], next: { kind: "ask" } }, events }
}
