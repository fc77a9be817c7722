import { expect, test } from "bun:test"
import type { KnowledgeBase } from "../../knowledge/KnowledgeBase.ts"
import { createOfflineSearch } from "./createOfflineSearch.ts"
import { createSearchTool } from "./createSearchTool.ts"

const context = { runId: "run", userId: undefined, signal: new AbortController().signal }

const passage = {
  id: 1,
  document: "museum.md",
  headings: ["City", "Opening hours"],
  text: "Open from 9 to 5.",
  score: 1,
}

function knowledge(passages: KnowledgeBase["search"]): KnowledgeBase {
  return { numPassages: 1, search: passages }
}

test("search_web: without a network, finds local documents and cites them", async () => {
  let asked: unknown
  const base = knowledge(async (question, limit) => {
    asked = [question, limit]
    return [passage, { ...passage, document: "map.md", headings: [], text: "Second street." }]
  })
  const result = await createSearchTool(createOfflineSearch(base), 3).run({ query: " city museum " }, context)
  expect(asked).toEqual(["city museum", 3])
  expect(result).toEqual({
    text: "1. Opening hours\nOpen from 9 to 5.\n\n2. map.md\nSecond street.",
    sources: [
      { title: "Opening hours", location: "museum.md" },
      { title: "map.md", location: "map.md" },
    ],
  })
})

test("search_web: long snippets are cut at a word, marks and line breaks taken out", async () => {
  const text = `A <strong>bee</strong>\n\n${"hums ".repeat(100)}`
  const tool = createSearchTool({ search: async () => [{ title: "Bees", location: "x", snippet: text }] }, 1)
  const shown = (await tool.run({ query: "bees" }, context)).text
  expect(shown).toStartWith("1. Bees\nA bee hums hums")
  expect(shown).toEndWith("hums…")
  expect(shown.length).toBeLessThan(310)
})

test("search_web: says so where there are no results", async () => {
  const tool = createSearchTool(createOfflineSearch(knowledge(async () => [])), 3)
  expect(await tool.run({ query: "bees" }, context)).toEqual({ text: "no results" })
})
