import type { ChatMessage, Tool } from "@consilium/serving"
import type { RunContext } from "../RunState.ts"
import { dataTurns } from "./dataTurns.ts"
import { neutralise } from "./neutralise.ts"

/** A prompt that fits, or why none does. */
export type PlannedPrompt =
  | { readonly kind: "prompt"; readonly messages: readonly ChatMessage[]; readonly numTokens: number }
  | { readonly kind: "too-long"; readonly numTokens: number }

export interface PromptOptions {
  readonly context: RunContext
  readonly said: readonly ChatMessage[]
  readonly tools: readonly Tool[]
  readonly budgetTokens: number
  readonly countTokens: (text: string) => number
}

/** What a template writes around a message, and around the list of tools. */
const MESSAGE_TOKENS = 8
const TOOLS_TOKENS = 64
const CUT_RESULT = '{"note": "cut to save room"}'

/**
 * Lays out a prompt within a budget. Where it is too long, this goes first: turns that were recalled, oldest first; passages and facts, farthest
 * first; the summary; the oldest results.
 *
 * Order: instructions, earlier turns, data, the question, what the run has said.
 */
export function planPrompt({ context, said, tools, budgetTokens, countTokens }: PromptOptions): PlannedPrompt {
  const costOf = (message: ChatMessage): number => messageTokens(message, countTokens)
  let { facts, passages, summary } = context
  // Of a client's own history, only what its tools said is others' data.
  const turns = context.history.map((turn) =>
    context.isRecalled || turn.role === "tool" ? { ...turn, content: neutralise(turn.content) } : turn,
  )
  let results = said
  const data = (): readonly ChatMessage[] => dataTurns({ facts, passages, summary })
  const dataTokens = (): number => sum(data().map(costOf))
  const toolTokens = tools.length === 0 ? 0 : TOOLS_TOKENS + countTokens(JSON.stringify(tools))
  const instructions: readonly ChatMessage[] =
    context.instructions === "" ? [] : [{ role: "system", content: context.instructions }]
  const rest = [...instructions, ...said, { role: "user", content: context.question } as const].map(costOf)
  let numTokens = sum([toolTokens, dataTokens(), ...turns.map(costOf), ...rest])

  while (numTokens > budgetTokens && context.isRecalled && turns.length > 0) numTokens -= costOf(turns.shift()!)
  while (numTokens > budgetTokens && passages.length + facts.length + (summary === undefined ? 0 : 1) > 0) {
    const before = dataTokens()
    if (passages.length > 0) passages = passages.slice(0, -1)
    else if (facts.length > 0) facts = facts.slice(0, -1)
    else summary = undefined
    numTokens += dataTokens() - before
  }
  for (let place = 0; place < results.length && numTokens > budgetTokens; place++) {
    const result = results[place]!
    if (result.role !== "tool") continue
    const cut = { ...result, content: CUT_RESULT }
    numTokens += Math.min(0, costOf(cut) - costOf(result))
    if (costOf(cut) < costOf(result)) results = results.with(place, cut)
  }
  if (numTokens > budgetTokens) return { kind: "too-long", numTokens }
  const question: ChatMessage = { role: "user", content: context.question }
  return { kind: "prompt", messages: [...instructions, ...turns, ...data(), question, ...results], numTokens }
}

function messageTokens({ content, toolCalls = [] }: ChatMessage, countTokens: (text: string) => number): number {
  return (
    MESSAGE_TOKENS +
    countTokens(content) +
    sum(toolCalls.map((call) => MESSAGE_TOKENS + countTokens(call.name + call.arguments)))
  )
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
