import type { ToolCall } from "@consilium/serving"
import { errorText } from "../tools/errorText.ts"
import type { CallOutcome } from "./AgentEvent.ts"
import { callKey } from "./callKey.ts"
import type { RunRules } from "./RunRules.ts"
import type { RunCall, RunState } from "./RunState.ts"

/** What becomes of a call before anything runs. */
export interface PlannedCall {
  readonly callId: string
  readonly tool: string
  readonly arguments: string
  readonly isRepaired: boolean
  readonly plan:
    | Exclude<RunCall["status"], { readonly kind: "settled" }>
    | { readonly kind: "settled"; readonly outcome: CallOutcome; readonly text: string }
}

/** Calls as a model wrote them. */
export interface WrittenCall extends ToolCall {
  /** It had to be found in the text. */
  readonly isRepaired: boolean
}

type Settled = Extract<PlannedCall["plan"], { readonly kind: "settled" }>

/**
 * Decides about each call of a step: it runs, waits for a person, shares another's result, or is answered at once with what is wrong with it.
 *
 * @param mayEndEarly whether closers that are missing at the end are added: the answer was not cut short
 */
export function planCalls(
  calls: readonly WrittenCall[],
  state: RunState,
  rules: RunRules,
  mayEndEarly: boolean,
): readonly PlannedCall[] {
  const planned: PlannedCall[] = []
  const taken = new Set(state.said.flatMap(({ toolCalls = [] }) => toolCalls.map(({ id }) => id)))
  for (const [place, call] of calls.entries()) {
    const callId = freeId(call.id, taken)
    taken.add(callId)
    const isTooMany = place >= rules.config.limits.maxParallelCalls
    planned.push({
      callId,
      tool: nameOf(call.name),
      ...planCall(call, { state, rules, mayEndEarly, isTooMany, planned }),
    })
  }
  return planned
}

interface Scope {
  readonly state: RunState
  readonly rules: RunRules
  readonly mayEndEarly: boolean
  readonly isTooMany: boolean
  /** Of this step, the calls before. */
  readonly planned: readonly PlannedCall[]
}

function planCall(
  call: WrittenCall,
  { state, rules, mayEndEarly, isTooMany, planned }: Scope,
): Pick<PlannedCall, "arguments" | "isRepaired" | "plan"> {
  const { tools } = rules
  const refusal = refuse(call.name, rules, isTooMany)
  if (refusal !== undefined) return { arguments: call.arguments, isRepaired: call.isRepaired, plan: refusal }
  const checked = tools.check(call.name, call.arguments, mayEndEarly)
  if (!checked.isValid) {
    const text = errorText("bad arguments", { problems: checked.problems, cure: "call again with arguments that fit" })
    return { arguments: call.arguments, isRepaired: call.isRepaired, plan: settled("bad-arguments", text) }
  }
  const given = { arguments: JSON.stringify(checked.value), isRepaired: call.isRepaired || checked.isRepaired }
  const key = callKey(call.name, checked.value)
  const earlier = state.answered.find((other) => other.key === key)
  if (earlier !== undefined) return { ...given, plan: settled("repeated", repeatText(earlier.text)) }
  const twin = planned.find(
    ({ tool, arguments: args, plan }) => plan.kind !== "settled" && callKey(tool, JSON.parse(args)) === key,
  )
  if (twin !== undefined)
    return { ...given, plan: { kind: "copy", of: twin.plan.kind === "copy" ? twin.plan.of : twin.callId } }
  const isWaiting = tools.find(call.name)?.changes === true && !state.confirmed.includes(call.name)
  return { ...given, plan: { kind: isWaiting ? "waiting" : "ready" } }
}

function refuse(name: string, { config, tools }: RunRules, isTooMany: boolean): Settled | undefined {
  const { maxParallelCalls } = config.limits
  if (isTooMany) return settled("too-many", errorText(`too many calls at once: at most ${maxParallelCalls}`))
  if (tools.find(name) === undefined)
    return settled("unknown-tool", errorText("there is no tool of this name", { tools: config.tools }))
  if (!config.tools.includes(name))
    return settled("not-allowed", errorText("permission denied", { tools: config.tools }))
  return undefined
}

const settled = (outcome: CallOutcome, text: string): Settled => ({ kind: "settled", outcome, text })

/** Returns an earlier result for a call that repeats. */
export function repeatText(text: string): string {
  return `${text}\n(the same call as before: answer with this result)`
}

/** A name stands in the next prompt, where it frames nothing. */
function nameOf(name: string): string {
  return name.replaceAll(/[^\w.-]/g, "_").slice(0, 64) || "unknown"
}

/** Models number their calls anew in each step; a run tells all of its calls apart. */
function freeId(id: string, taken: ReadonlySet<string>): string {
  const base = id === "" ? "call" : id
  for (let number = 1; ; number++) {
    const free = number === 1 && id !== "" ? base : `${base}_${number}`
    if (!taken.has(free)) return free
  }
}
