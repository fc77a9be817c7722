import type { AgentModel, KnowledgeBase, ModelReply, ModelTurn } from "@consilium/agent"
import type { ChatMessage } from "@consilium/serving"
import { Effect } from "effect"
import { isAbout, isSum } from "./isAbout.ts"
import { type RecordTool, renderRecords } from "./RecordTool.ts"

/** What a desk is asked, and what it knows beside its model. */
export interface DeskQuestion {
  readonly question: string
  readonly lookups: readonly RecordTool[]
  readonly knowledge: Pick<KnowledgeBase, "search">
}

const NUM_PASSAGES = 3
const FREE: ModelReply["usage"] = { promptTokens: 0, generatedTokens: 0, costUsd: 0 }
/** Who answers instead of the fleet's expert. */
export const RECORDS = "records"
export const DOCUMENTS = "documents"

/**
 * Makes the model of a desk out of a small one: what can be looked up is looked up, and said in the records' and documents' own words; all else is the
 * model's.
 *
 * A model of 13 M parameters calls the tools that it was trained with, but no others, and cannot retell a document. So its desk plans by rule: a record
 * that the question names, or else a passage that is about it. Calls go the agent's way, with its rights, checks and limits, whoever wants them.
 */
export function createDeskModel(model: AgentModel, desk: DeskQuestion): AgentModel {
  const { lookups, question } = desk
  const isLookup = (name: string): boolean => lookups.some(({ tool }) => tool.name === name)
  return {
    ...model,
    answer: (turn, say) => {
      const last = turn.messages.at(-1)!
      if (last.role === "tool" && isLookup(toolOf(turn.messages, last)))
        return Effect.sync(() => speak(renderRecords(last.content), RECORDS, say))
      const tools = turn.tools.filter(({ function: { name } }) => !isLookup(name) && suits(name, question))
      const ask = model.answer({ ...turn, tools }, say)
      if (last.role === "tool") return ask
      const call = planLookup(lookups, turn, question)
      if (call !== undefined) return Effect.succeed(call)
      return Effect.flatMap(
        Effect.promise(() => quote(desk)),
        (quoted) => (quoted === undefined ? ask : Effect.sync(() => speak(quoted, DOCUMENTS, say))),
      )
    },
  }
}

/** A small model calls what it sees: it sees a calculator where there is something to calculate. */
function suits(tool: string, question: string): boolean {
  return tool !== "calculate" || (question.match(/\d+(?:[.,]\d+)*/g) ?? []).length >= 2
}

function planLookup(lookups: readonly RecordTool[], { tools }: ModelTurn, question: string): ModelReply | undefined {
  for (const { tool, argumentsFor } of lookups) {
    const args = argumentsFor(question)
    if (args === undefined || !tools.some(({ function: { name } }) => name === tool.name)) continue
    const call = { id: `lookup-${tool.name}`, name: tool.name, arguments: JSON.stringify(args) }
    return { text: "", calls: [call], reason: "tool_calls", usage: FREE, expert: RECORDS }
  }
  return undefined
}

/** Returns the best passage that is about the question, with where it stands; undefined where none is. */
async function quote({ question, knowledge }: DeskQuestion): Promise<string | undefined> {
  if (isSum(question)) return undefined
  const passages = await knowledge.search(question, NUM_PASSAGES)
  const found = passages.find(({ headings, text }) => isAbout(question, [...headings, text].join(" ")))
  return found && `${found.text.trim()} [${[found.document, ...found.headings].join(", ")}]`
}

function speak(text: string, expert: string, say: (text: string) => void): ModelReply {
  say(text)
  return { text, calls: [], reason: "stop", usage: FREE, expert }
}

function toolOf(messages: readonly ChatMessage[], { toolCallId }: ChatMessage): string {
  return messages.flatMap(({ toolCalls = [] }) => toolCalls).find(({ id }) => id === toolCallId)?.name ?? ""
}
