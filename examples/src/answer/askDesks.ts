import {
  type AgentConfig,
  createCalculateTool,
  createFleetModel,
  createToolBox,
  type KnowledgeBase,
  runAgent,
} from "@consilium/agent"
import type { FleetApi } from "@consilium/fleet"
import { GREEDY } from "@consilium/model"
import { Effect } from "effect"
import type { Case } from "../Case.ts"
import { autoRequest } from "../measure/plainRequest.ts"
import { createDeskModel, DOCUMENTS, RECORDS } from "./createDeskModel.ts"
import { findRule } from "./Rule.ts"

/** Who found an answer. */
export type AnsweredBy = "rule" | "record" | "document" | "model"

/** What a customer reads, and how it came about. */
export interface DeskAnswer {
  readonly text: string
  readonly by: AnsweredBy
  /** Undefined where a rule answered. */
  readonly desk: string | undefined
  readonly ms: number
  /** Answers of the model, records and documents that it took. */
  readonly numSteps: number
}

export interface Desks {
  readonly fleet: FleetApi
  readonly knowledge: KnowledgeBase
  /** Tokens of prompt and answer together. */
  readonly contextLength: number
}

const LIMITS: AgentConfig["limits"] = {
  maxSteps: 4,
  maxTokens: 8000,
  maxMs: 60_000,
  maxCostUsd: Number.POSITIVE_INFINITY,
  maxParallelCalls: 3,
  toolTimeoutMs: 5000,
  maxResultTokens: 300,
}

/**
 * Answers a question as the case's business does: rules first, then the desk that the fleet's router names, as an agent with its own tools.
 *
 * The customer confirms a booking beforehand: there is nobody to ask here.
 */
export async function askDesks(one: Case, question: string, desks: Desks): Promise<DeskAnswer> {
  const began = performance.now()
  const rule = findRule(one.rules, question)
  if (rule !== undefined)
    return { text: rule.answer, by: "rule", desk: undefined, ms: performance.now() - began, numSteps: 0 }
  const name = await routeTo(desks.fleet, question)
  const desk = one.desks[name]
  if (desk === undefined) throw new Error(`case ${one.name}: expected a desk of the expert ${name}, found none`)
  const tools = [...desk.lookups.map(({ tool }) => tool), ...desk.tools, createCalculateTool()]
  const target = { kind: "expert", name } as const
  const options = { id: name, contextLength: desks.contextLength, target, purse: undefined, isStream: false }
  const model = createFleetModel(desks.fleet, options)
  const agent = {
    config: configOf(
      one,
      name,
      tools.map((tool) => tool.name),
    ),
    model: createDeskModel(model, { question, lookups: desk.lookups, knowledge: desks.knowledge }),
    tools: createToolBox(tools),
  }
  const request = {
    runId: crypto.randomUUID(),
    messages: [{ role: "user", content: question }],
    scope: { userId: one.userId, conversationId: "example" },
    confirmed: desk.tools.filter(({ changes }) => changes).map((tool) => tool.name),
  } as const
  let expert: string | undefined
  const { ended } = await Effect.runPromise(
    runAgent(agent, request, (event) => {
      if (event.type === "step") expert = event.expert
    }),
  )
  const text = [one.header, ended.text].filter((part) => part !== undefined).join("\n\n")
  return { text, by: whoSaid(expert), desk: name, ms: performance.now() - began, numSteps: ended.numSteps }
}

/** Returns the expert that the fleet routes a question to. It says so with an answer, so one token is asked for. */
async function routeTo(fleet: FleetApi, question: string): Promise<string> {
  const request = autoRequest([{ role: "user", content: question }], 1, GREEDY)
  const { report } = await Effect.runPromise(fleet.answer(request, () => {}))
  return report.expert
}

function configOf({ title, instructions }: Case, name: string, tools: readonly string[]): AgentConfig {
  return {
    name,
    description: `${title}: ${name}`,
    instructions,
    tools,
    limits: LIMITS,
    memoryTokens: 0,
    numPassages: 0,
  }
}

function whoSaid(expert: string | undefined): AnsweredBy {
  if (expert === RECORDS) return "record"
  return expert === DOCUMENTS ? "document" : "model"
}
