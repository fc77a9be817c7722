import { expect, test } from "bun:test"
import fc from "fast-check"
import type { RoutedRequest } from "../RequestRouter.ts"
import { compilePattern } from "./compilePattern.ts"
import { createRuleFinder, type RoutingRule } from "./createRuleFinder.ts"

const request = (text: string, change: Partial<RoutedRequest> = {}): RoutedRequest => ({
  text,
  numImages: 0,
  hasTools: false,
  ...change,
})
const found = (rules: readonly (RoutingRule | undefined)[], asked: RoutedRequest): string | undefined => {
  const rule = createRuleFinder(rules)(asked)
  return rule && `${rule.place} by ${rule.reason}`
}

test("rules: the first that holds is found, where none holds nobody is", () => {
  const rules = [undefined, { hasImages: true }, { keywords: ["credit risk", "贷款"] }, { pattern: "photo|picture" }]
  expect(found(rules, request("credit risk of a picture", { numImages: 1 }))).toBe("1 by it has images")
  expect(found(rules, request("What is our CREDIT  risk, in a picture?"))).toBe('2 by the words "credit risk"')
  expect(found(rules, request("我想申请贷款"))).toBe('2 by the words "贷款"')
  expect(found(rules, request("a Photo"))).toBe("3 by the pattern photo|picture")
  expect(found(rules, request("hello"))).toBeUndefined()
})

test("rules: all conditions of a rule must hold, and a keyword is no part of a word", () => {
  const rules = [{ keywords: ["risk"], hasTools: true, leastTokens: 5, mostTokens: 30 }]
  const asked = (text: string, change: Partial<RoutedRequest> = {}) =>
    found(rules, request(text, { hasTools: true, numTokens: 10, ...change }))
  expect(asked("the risk")).toBe('0 by it has tools, its 10 tokens, the words "risk"')
  expect(asked("the risk", { hasTools: false })).toBeUndefined()
  expect(asked("the asterisks")).toBeUndefined()
  expect(asked("the risk", { numTokens: 31 })).toBeUndefined()
  expect(asked("the risk", { numTokens: 4 })).toBeUndefined()
})

test("rules: a rule that cannot be is refused", () => {
  const create = (rule: RoutingRule) => () => createRuleFinder([rule])
  expect(create({})).toThrow("expected a condition, found none")
  expect(create({ pattern: "(" })).toThrow("expected a regular expression")
  expect(create({ pattern: "(?=a)b" })).toThrow("expected no look-around")
  expect(create({ pattern: "(a)\\1" })).toThrow("expected no back-reference")
  expect(create({ pattern: "(a{1,100}){1,100}" })).toThrow("expected fewer repeats")
})

test("pattern: what makes engines that step back run for years takes milliseconds", () => {
  for (const pattern of ["(a+)+$", "(a|aa)+$", "(a*)*b", "a*a*a*a*a*c", "(.*)(.*)(.*)(.*)x$"]) {
    const matches = compilePattern(pattern)
    const started = performance.now()
    expect(matches(`${"a".repeat(5000)}!`)).toBe(false)
    expect(performance.now() - started).toBeLessThan(1000)
  }
})

test("pattern: agrees with the runtime's own expressions on every text", () => {
  const patterns = [
    "a(b|cd?)*e",
    "^ab+c?$",
    "\\bcard\\b",
    "[a-c]{2,3}d",
    "x{2}|y{0,2}z",
    "(?:ab){1,}c",
    "\\d+[.,]\\d{2}",
    "a.?b",
    "\\p{Script=Han}{2}a",
    "(a|b)+?c",
    "\\Bb",
    "(|a)b",
    "\\u0061\\x62",
    "[^\\]a-b]c",
    "(?<word>ab)c*",
  ]
  for (const pattern of patterns) {
    const matches = compilePattern(pattern)
    const own = new RegExp(pattern, "iu")
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."abcdexyzCARD 银行1.,]\n"), maxLength: 12 }), (text) => {
        expect(matches(text), `${pattern} on ${JSON.stringify(text)}`).toBe(own.test(text))
      }),
      { numRuns: 300 },
    )
  }
})
