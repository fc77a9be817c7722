import { expect, test } from "bun:test"
import { citedSources } from "./citedSources.ts"

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
