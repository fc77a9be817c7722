import { expect, test } from "bun:test"
import { markdownTable, readable, summarise } from "./summary.ts"

test("summarise: takes the median and interpolates the deciles", () => {
  expect(summarise([5, 1, 3])).toEqual({ median: 3, p10: 1.4, p90: 4.6 })
  expect(summarise([7])).toEqual({ median: 7, p10: 7, p90: 7 })
})

test("summarise: refuses to make a median of nothing", () => {
  expect(() => summarise([])).toThrow("without samples")
})

test("readable: three significant digits", () => {
  expect([readable(0.01234), readable(12.345), readable(12345.6)]).toEqual(["0.0123", "12.3", "12,346"])
})

test("markdownTable: says when there was one run only", () => {
  expect(markdownTable([{ name: "x", unit: "ms", samples: [4] }])).toContain("| x | **4.00 ms** | one run | 1 |")
})
