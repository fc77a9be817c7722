import { expect, test } from "bun:test"
import type { KnowledgeBase } from "../knowledge/KnowledgeBase.ts"
import { createKnowledgeTool } from "./createKnowledgeTool.ts"

const context = { runId: "run", userId: undefined, signal: new AbortController().signal }

function base(search: KnowledgeBase["search"]): KnowledgeBase {
  return { numPassages: 2, search }
}

test("search_knowledge: passages come with their places, for the run to number", async () => {
  const passages = [
    { id: 4, document: "cards.md", headings: ["Cards", "Lost"], text: "Block it in the app.", score: 2 },
    { id: 9, document: "fees.md", headings: [], text: "A new card costs $5.", score: 1 },
  ]
  let asked: unknown
  const tool = createKnowledgeTool(
    base(async (question, limit) => {
      asked = [question, limit]
      return passages
    }),
    4,
  )
  expect(await tool.run({ query: "lost card " }, context)).toEqual({
    text: "",
    passages: [
      { title: "cards.md › Cards › Lost", location: "cards.md", text: "Block it in the app." },
      { title: "fees.md", location: "fees.md", text: "A new card costs $5." },
    ],
  })
  expect(asked).toEqual(["lost card", 4])
})

test("search_knowledge: says so where nothing is found", async () => {
  expect(
    await createKnowledgeTool(
      base(async () => []),
      4,
    ).run({ query: "x" }, context),
  ).toEqual({ text: "no results" })
})
