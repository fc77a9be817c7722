/** Memory and knowledge around a run. */
import { describe, expect } from "bun:test"
import { itEffect } from "@consilium/testing/effect"
import { Effect, Logger } from "effect"
import { type AgentMemory, type AgentModel, type KnowledgeBase, type ModelTurn, runAgent } from "../src/index.ts"
import { agentOf, ask } from "./agentOf.ts"
import { createTrace } from "./createTrace.ts"

const scope = { userId: "ann", conversationId: "c" }

/** A model that says `text`, and what it was asked. */
function sayingModel(text: string): { readonly model: AgentModel; readonly turns: readonly ModelTurn[] } {
  const turns: ModelTurn[] = []
  return {
    turns,
    model: {
      id: "saying",
      contextLength: 4096,
      countTokens: (counted) => counted.length,
      answer: (turn, say) =>
        Effect.sync(() => {
          turns.push(turn)
          say(text)
          return {
            text,
            calls: [],
            reason: "stop",
            usage: { promptTokens: 1, generatedTokens: 1, costUsd: 0 },
            expert: undefined,
          } as const
        }),
    },
  }
}

/** A memory that knows Ann, and what it was told. */
function knowingMemory(change: Partial<AgentMemory> = {}) {
  const told: unknown[] = []
  const memory: AgentMemory = {
    recall: async (request) => {
      told.push(["recall", request.agent, request.userId, request.conversationId, request.text, request.budgetTokens])
      return { facts: ["is called Ann"], summary: "They met.", turns: [{ role: "user", content: "Hello" }] }
    },
    note: async ({ agent, userId }, { user, answer }) => void told.push(["note", agent, userId, user, answer]),
    noteFact: async () => {},
    forget: async () => 0,
    ...change,
  }
  return { memory, told }
}

const knowledge: KnowledgeBase = {
  numPassages: 1,
  search: async () => [{ id: 1, document: "fees.md", headings: ["Cards"], text: "A card costs 5.", score: 1 }],
}

describe("a run", () => {
  itEffect("recalls before it asks, shows passages as data, and notes what was said", () =>
    Effect.gen(function* () {
      const { model, turns } = sayingModel("5, Ann [1].")
      const { memory, told } = knowingMemory()
      const config = { memoryTokens: 200, numPassages: 3 }
      const trace = createTrace()
      const agent = agentOf({ model, memory, knowledge, config })
      const { ended } = yield* runAgent(agent, { ...ask("What does a card cost?"), scope }, trace.hear)
      expect(trace.lines).toEqual([
        "recalled 1 facts, 1 turns, summary",
        "passages fees.md › Cards",
        "answered: 5, Ann [1].",
      ])
      expect(ended.sources).toEqual([{ number: 1, title: "fees.md › Cards", location: "fees.md", isCited: true }])
      expect(turns[0]!.messages.map(({ role }) => role)).toEqual(["user", "user", "assistant", "user"])
      expect(turns[0]!.messages[1]!.content).toContain("<memory>\nEarlier: They met.\n- is called Ann\n</memory>")
      expect(turns[0]!.messages[1]!.content).toContain("[1] fees.md › Cards\nA card costs 5.")
      expect(told).toEqual([
        ["recall", "desk", "ann", "c", "What does a card cost?", 200],
        ["note", "desk", "ann", "What does a card cost?", "5, Ann [1]."],
      ])
    }),
  )

  itEffect("remembers nothing of nobody, and nothing where it has no tokens for it", () =>
    Effect.gen(function* () {
      const { memory, told } = knowingMemory()
      const { model } = sayingModel("Yes.")
      yield* runAgent(agentOf({ model, memory, config: { memoryTokens: 200 } }), ask("Well?"), () => {})
      yield* runAgent(agentOf({ model, memory, config: { memoryTokens: 0 } }), { ...ask("Well?"), scope }, () => {})
      expect(told).toEqual([])
    }),
  )

  itEffect("answers without what its stores cannot give, and tells operators", () =>
    Effect.gen(function* () {
      const warnings: string[] = []
      const logger = Logger.make(({ logLevel, message }) => void warnings.push(`${logLevel}: ${[message].flat()[0]}`))
      const fails = () => Promise.reject(new Error("disk full"))
      const { memory } = knowingMemory({ recall: fails, note: fails })
      const { model } = sayingModel("Yes.")
      const config = { memoryTokens: 200, numPassages: 3 }
      const agent = agentOf({ model, memory, knowledge: { numPassages: 1, search: fails }, config })
      const running = runAgent(agent, { ...ask("Well?"), scope }, () => {})
      const { ended } = yield* running.pipe(Effect.provide(Logger.layer([logger])))
      expect(ended.text).toBe("Yes.")
      expect(warnings).toEqual([
        "Warn: agent desk: nothing is recalled",
        "Warn: agent desk: no passages are found",
        "Warn: agent desk: a turn is not remembered",
      ])
    }),
  )

  itEffect("fails with the cure where its question does not fit the model", () =>
    Effect.gen(function* () {
      const { model } = sayingModel("Yes.")
      const error = yield* Effect.flip(runAgent(agentOf({ model }), ask("x".repeat(5000)), () => {}))
      expect(error.message).toStartWith("The model's context holds 4096 tokens, 512 of them for the answer")
      expect(error.cause).toMatchObject({ _tag: "PromptError", code: "context-overflow", param: "messages" })
    }),
  )
})
