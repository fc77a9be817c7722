import { expect, test } from "bun:test"
import type { ExpertRules } from "../config/FleetConfig.ts"
import { matchRules } from "./matchRules.ts"

const NONE: ExpertRules = {
  keywords: [],
  pattern: undefined,
  tools: undefined,
  images: undefined,
  leastTokens: undefined,
  mostTokens: undefined,
}
const request = (text: string, change = {}) => ({ text, numImages: 0, hasTools: false, numTokens: 10, ...change })

test("matchRules: a keyword is a whole word in either case; in scripts without spaces it may stand anywhere", () => {
  const rules = { ...NONE, keywords: ["VaR", "信用卡"] }
  expect(matchRules(rules, request("Our var is high"))).toBe('the word "VaR"')
  expect(matchRules(rules, request("a variable"))).toBeUndefined()
  expect(matchRules(rules, request("various, then var."))).toBe('the word "VaR"')
  expect(matchRules(rules, request("我的信用卡丢了"))).toBe('the word "信用卡"')
})

test("matchRules: every part that is given must hold", () => {
  const rules = { ...NONE, pattern: /invoice \d+/iu, tools: true, leastTokens: 5, mostTokens: 20 }
  expect(matchRules(rules, request("Invoice 7", { hasTools: true }))).toBe(
    "the pattern invoice \\d+, it has tools, its length, 10 tokens",
  )
  expect(matchRules(rules, request("Invoice 7"))).toBeUndefined()
  expect(matchRules(rules, request("Invoice", { hasTools: true }))).toBeUndefined()
  expect(matchRules(rules, request("Invoice 7", { hasTools: true, numTokens: 21 }))).toBeUndefined()
  expect(matchRules({ ...NONE, images: true }, request("x", { numImages: 1 }))).toBe("it has images")
  expect(matchRules(NONE, request("x"))).toBeUndefined()
})
