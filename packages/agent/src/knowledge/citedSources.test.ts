import { expect, test } from "bun:test"
import { citedSources } from "./citedSources.ts"
import { renderPassages } from "./renderPassages.ts"

const passage = (document: string, text: string, ...headings: string[]) => ({
  id: 1,
  score: 1,
  document,
  headings,
  text,
})

test("citations: passages are numbered, those of one place share a number, and an answer's numbers lead back", () => {
  const { text, sources } = renderPassages([
    passage("cards.md", "Block it.", "Lost"),
    passage("shop.txt", "Returns."),
    passage("cards.md", "Call us.", "Lost"),
  ])
  expect(text).toBe("[1] cards.md › Lost\nBlock it.\n\n[2] shop.txt\nReturns.\n\n[1] cards.md › Lost\nCall us.")
  expect(sources).toEqual([
    { title: "cards.md › Lost", location: "cards.md" },
    { title: "shop.txt", location: "shop.txt" },
  ])
  expect(citedSources("Send it back [2], or call [1]; see [2].", sources)).toEqual([sources[1]!, sources[0]!])
})

test("citations: lists, ranges and Chinese brackets count; links, other numbers and unknown ones do not", () => {
  const sources = ["a", "b", "c", "d"].map((title) => ({ title, location: undefined }))
  const cited = (answer: string): string =>
    citedSources(answer, sources)
      .map(({ title }) => title)
      .join("")
  expect(cited("So [1, 3] and 【2】。")).toBe("acb")
  expect(cited("So [2-4].")).toBe("bcd")
  expect(cited("[1](https://example.com), 2, (3), [x], [9], [0], [4-2], [1")).toBe("")
})
