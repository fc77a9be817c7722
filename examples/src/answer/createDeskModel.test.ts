import { expect, test } from "bun:test"
import type { AgentModel, ModelTurn } from "@consilium/agent"
import type { ChatMessage } from "@consilium/serving"
import { Effect } from "effect"
import { createDeskModel } from "./createDeskModel.ts"
import { createRecordTool } from "./RecordTool.ts"

const cards = createRecordTool({
  name: "card_status",
  description: "Get the status of a card",
  key: "card",
  keyDescription: "Last four digits",
  records: [{ card: "1111", owner: "ada", status: "blocked" }],
  pattern: /\b\d{4}\b/,
})
const knowledge = {
  search: async () => [
    { id: 1, document: "cards.md", headings: ["Cards", "Replacement"], text: "A new card costs 8 euros.", score: 1 },
  ],
}

/** Answers with the names of the tools that it is shown. */
const model: AgentModel = {
  id: "m",
  contextLength: 1000,
  countTokens: (text) => text.length,
  answer: ({ tools }) =>
    Effect.succeed({
      text: `model: ${tools.map(({ function: { name } }) => name).join(" ")}`,
      calls: [],
      reason: "stop",
      usage: { promptTokens: 1, generatedTokens: 1, costUsd: 0 },
      expert: "cards",
    }),
}

async function ask(question: string, said: readonly ChatMessage[] = []) {
  const tools = ["card_status", "calculate"].map((name) => ({ type: "function", function: { name } }) as const)
  const messages = [{ role: "user", content: question } as const, ...said]
  const turn: ModelTurn = { messages, tools, maxTokens: 10, budgetUsd: 1 }
  const heard: string[] = []
  const desk = createDeskModel(model, { question, lookups: [cards], knowledge })
  const reply = await Effect.runPromise(desk.answer(turn, (text) => heard.push(text)))
  return { ...reply, heard }
}

test("createDeskModel: a record that the question names is looked up, and said in its own words", async () => {
  const { calls } = await ask("Is 1111 blocked?")
  expect(calls.map(({ name, arguments: args }) => [name, args])).toEqual([["card_status", '{"card":"1111"}']])
  const said: readonly ChatMessage[] = [
    { role: "assistant", content: "", toolCalls: calls },
    { role: "tool", content: '{"card":"1111","status":"blocked"}', toolCallId: calls[0]!.id },
  ]
  const { text, expert, heard } = await ask("Is 1111 blocked?", said)
  expect([text, expert, heard]).toEqual(["Card 1111: status blocked.", "records", ["Card 1111: status blocked."]])
})

test("createDeskModel: a passage that is about the question is quoted with its place", async () => {
  const { text, expert } = await ask("What does a new card cost?")
  expect([text, expert]).toEqual(["A new card costs 8 euros. [cards.md, Cards, Replacement]", "documents"])
})

test("createDeskModel: all else is the model's, which sees a calculator where there is something to calculate, and no records", async () => {
  expect((await ask("Hello, how are you?")).text).toBe("model: ")
  expect((await ask("What is 1111 + 2?")).text).toBe("model: calculate")
})
