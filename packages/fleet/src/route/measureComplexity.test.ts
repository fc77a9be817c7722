import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { measureComplexity } from "./measureComplexity.ts"

const valueOf = (text: string, scores: number[] = [], leastScore = 0.2): number =>
  measureComplexity(text, scores, leastScore).value

describe("measureComplexity", () => {
  test("the documented sum, checked by hand", () => {
    // 201 of 400 tokens; 3 parts; one of two near the best.
    const text = `${"x".repeat(780)}\n- one?\n- two\n3) three`
    expect(measureComplexity(text, [0.9, 0.8, 0.1], 0.2)).toEqual({
      value: expect.closeTo(0.4 * (201 / 400) + 0.3 * (2 / 3) + 0.3 * 0.5, 6),
      why: "about 201 tokens, questions and items: 3, experts near the best: 1",
    })
  })

  test("a greeting is simple, a long request of many parts that several suit is as complex as can be", () => {
    expect(valueOf("Hello!", [0.1, 0.1])).toBeLessThan(0.01)
    expect(valueOf("What is the capital of France?", [0.9, 0.1])).toBeLessThan(0.05)
    expect(valueOf(`Why? How? Since when? ${"word ".repeat(400)} And what now?`, [0.5, 0.5, 0.5])).toBeCloseTo(1)
  })

  test.each([
    ["one question", "Why?", 1],
    ["marks beside each other are one", "Why??? (Really?)", 2],
    ["an address asks nothing", "see http://a.example/?q=1&r=2", 0],
    ["Chinese and Arabic", "为什么？怎么办？ لماذا؟", 3],
    ["a list", "Do this:\n1. first\n2) second\n- third\n• fourth\n  a) fifth\n3、第六", 6],
    ["figures and rules are no list", "3.5 per cent\n-5 degrees\n---", 0],
  ])("parts: %s", (_, text, parts) => {
    expect(measureComplexity(text, [], 0.2).why).toContain(`questions and items: ${parts},`)
  })

  test("near: who suits almost as well as the best, and nobody where nobody suits", () => {
    const nearOf = (...scores: number[]): string =>
      /experts near the best: (\d+)/.exec(measureComplexity("x", scores, 0.2).why)![1]!
    expect([nearOf(0.9, 0.8, 0.7), nearOf(0.5), nearOf(), nearOf(0.19, 0.19), nearOf(0.2, 0.19)]).toEqual([
      "1",
      "0",
      "0",
      "0",
      "0",
    ])
    expect(measureComplexity("x", [0, 0], 0).why).toContain("experts near the best: 0")
  })

  test("whatever is asked: between 0 and 1, and more text never makes it simpler", () => {
    const scores = fc.array(fc.double({ min: 0, max: 2, noNaN: true }), { maxLength: 6 })
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), scores, (text, own) => {
        const value = valueOf(text, own)
        expect(value >= 0 && value <= 1).toBe(true)
        expect(valueOf(`${text}\nand more`, own)).toBeGreaterThanOrEqual(value)
      }),
    )
  })

  test("texts made to be slow take no time", () => {
    const began = performance.now()
    valueOf(`${"?".repeat(19_999)}x`)
    valueOf(`?${"'".repeat(19_998)}x`)
    valueOf("\n- ".repeat(3e5))
    valueOf(`${" ".repeat(20_000)}x`)
    expect(performance.now() - began).toBeLessThan(500)
  })
})
