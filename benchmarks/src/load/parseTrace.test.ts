import { expect, test } from "bun:test"
import { parseTrace } from "./parseTrace.ts"

const HEAD = "TIMESTAMP,ContextTokens,GeneratedTokens"
const parse = (...lines: string[]): ReturnType<typeof parseTrace> => parseTrace([HEAD, ...lines].join("\n"), "t.csv")

test("parseTrace: reads times after the first, to fractions of a millisecond, past midnight", () => {
  expect(parse("2023-11-16 23:59:59.5000000,4808,10", "2023-11-17 00:00:00.2504000,3180,8")).toEqual([
    { arrivalMs: 0, contextTokens: 4808, generatedTokens: 10 },
    { arrivalMs: expect.closeTo(750.4, 3), contextTokens: 3180, generatedTokens: 8 },
  ])
})

test("parseTrace: takes lines that end as on Windows, and empty ones at the end", () => {
  expect(parseTrace(`${HEAD}\r\n2023-11-16 18:17:03.97,1,2\r\n\r\n`, "t.csv")).toHaveLength(1)
})

test("parseTrace: a malformed file is explained with its line", () => {
  const LINE = "2023-11-16 18:17:03.97,1,2"
  expect(() => parseTrace("time,in,out\n1,2,3", "t.csv")).toThrow(
    `t.csv:1: expected the columns ${HEAD}, found "time,in,out"`,
  )
  expect(() => parse(LINE, "2023-11-16 18:17:04,1")).toThrow("t.csv:3: expected 3 fields, found 2")
  expect(() => parse("yesterday,1,2")).toThrow(
    't.csv:2: expected a time like 2023-11-16 18:17:03.9799600, found "yesterday"',
  )
  expect(() => parse("2023-13-45 18:17:03,1,2")).toThrow("t.csv:2: expected a time")
  expect(() => parse("2023-11-16 18:17:03,-1,2")).toThrow(
    'ContextTokens: expected a whole number from 0 on, found "-1"',
  )
  expect(() => parse("2023-11-16 18:17:03,1,")).toThrow('GeneratedTokens: expected a whole number from 0 on, found ""')
  expect(() => parse(LINE, "2023-11-16 18:17:02,1,2")).toThrow("t.csv:3: expected requests in order of time")
  expect(() => parse()).toThrow("t.csv: expected at least one request, found none")
  expect(() => parseTrace("", "t.csv")).toThrow("t.csv:1: expected the columns")
})
