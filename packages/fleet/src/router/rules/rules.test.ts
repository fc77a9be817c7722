import { expect, test } from "bun:test"
import fc from "fast-check"
import type { RequestRouter, RoutedRequest } from "../RequestRouter.ts"
import { compilePattern } from "./compilePattern.ts"
import { createRulesRouter, type RoutingRule } from "./createRulesRouter.ts"

const next: RequestRouter = {
  experts: ["finance", "marketing", "images"],
  score: () => Float32Array.of(0.2, 0.5, 0.3),
  explain: () => "by words",
}
const request = (text: string, change: Partial<RoutedRequest> = {}): RoutedRequest => ({
  text,
  numImages: 0,
  hasTools: false,
  ...change,
})
const chosen = (rules: readonly RoutingRule[], asked: RoutedRequest): string | undefined => {
  const router = createRulesRouter(rules, next)
  const scores = router.score(asked)
  return router.experts[scores.indexOf(Math.max(...scores))]
}

test("rules: the first that holds wins, and where none holds the other router scores", () => {
  const rules = [
    { expert: "images", hasImages: true },
    { expert: "finance", keywords: ["credit risk", "贷款"] },
    { expert: "images", pattern: "photo|picture" },
  ]
  expect(chosen(rules, request("credit risk of a picture", { numImages: 1 }))).toBe("images")
  expect(chosen(rules, request("What is our CREDIT  risk, in a picture?"))).toBe("finance")
  expect(chosen(rules, request("我想申请贷款"))).toBe("finance")
  expect(chosen(rules, request("a Photo"))).toBe("images")
  expect(chosen(rules, request("hello"))).toBe("marketing")
  expect(createRulesRouter(rules, next).explain!(request("a Photo"))).toBe(
    "images by a rule: the pattern photo|picture",
  )
  expect(createRulesRouter(rules, next).explain!(request("hello"))).toBe("by words")
})

test("rules: all conditions of a rule must hold, and a keyword is no part of a word", () => {
  const rules = [{ expert: "finance", keywords: ["risk"], hasTools: true, leastLength: 5, mostLength: 30 }]
  expect(chosen(rules, request("the risk", { hasTools: true }))).toBe("finance")
  expect(chosen(rules, request("the risk"))).toBe("marketing")
  expect(chosen(rules, request("the asterisks", { hasTools: true }))).toBe("marketing")
  expect(chosen(rules, request(`the risk ${"x".repeat(40)}`, { hasTools: true }))).toBe("marketing")
})

test("rules: a rule that cannot be is refused with its number", () => {
  const create = (rule: RoutingRule) => () => createRulesRouter([rule], next)
  expect(create({ expert: "legal", hasTools: true })).toThrow(
    'rule 1: expected one of finance, marketing, images, found "legal"',
  )
  expect(create({ expert: "finance" })).toThrow("rule 1: expected a condition, found none")
  expect(create({ expert: "finance", pattern: "(" })).toThrow("expected a regular expression")
  expect(create({ expert: "finance", pattern: "(?=a)b" })).toThrow("expected no look-around")
  expect(create({ expert: "finance", pattern: "(a)\\1" })).toThrow("expected no back-reference")
  expect(create({ expert: "finance", pattern: "(a{1,100}){1,100}" })).toThrow("expected fewer repeats")
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
