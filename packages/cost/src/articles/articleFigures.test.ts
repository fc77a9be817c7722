import { describe, expect, test } from "bun:test"
import { judgeFigure } from "./ArticleFigure.ts"
import { ARTICLE_B_TOKEN_TIME } from "./articleB.ts"
import { ARTICLE_FIGURES } from "./articleFigures.ts"

/** What each figure's own inputs give, by hand, and whether the article says so. */
const BY_HAND: readonly [claim: string, value: number | undefined, verdict: string][] = [
  ["a request costs $0.0008 instead of $0.0024", 66.667, "holds"],
  ["latency 850 → 320 ms", 62.353, "holds"],
  ["latency 2,300 → 780 ms", 66.087, "not comparable"],
  ["concurrency 50 → 220 is “3×”", 4.4, "fails"],
  ["concurrency is “3–5×” in another place", 4.4, "holds"],
  ["a million calls a day cost $24,000", 2400, "fails"],
  ["more than $8 M a year", 876_000, "fails"],
  ["a call costs ¥0.017", 0.01704, "holds"],
  ["80 % of the compute is wasted", 65, "fails"],
  ["cost falls by 60 % in another place", 66.667, "fails"],
  ["20–30 % of the parameters are active", undefined, "not comparable"],
  ["its prices, at 1,000 tokens a request", 2.4, "not comparable"],
  ["$240,000 a month saved, which is 80 %; 30 B tokens a month", 80, "holds"],
  ["10 B of 100 B parameters are active", 90, "holds"],
  ["so the cost falls by 80 %", 90, "fails"],
  ["10 → 50 tok/s is an increase of 400 %", 400, "holds"],
  ["the dense model takes 400 GB", 400, "holds"],
  ["the MoE takes 80 GB", 400, "fails"],
  ["50 tok/s with 80 GB", 0.7692, "fails"],
  ["energy falls by 80 % (100 → 20 W)", 96, "fails"],
  ["100 W serve a model of 100 B weights", undefined, "not comparable"],
  ["¥10,000 a month for 10 tok/s, and 80 % less with MoE", 96, "fails"],
  ["1 B tokens a day cost $300,000 a month (dense)", 11_574_074, "fails"],
  ["¥8,000 saved a month, paid back in 3 months", undefined, "not comparable"],
  ["two experts of K cost 2/K", 10, "not comparable"],
  ["capacity for several tasks grows by ∞ %", undefined, "not comparable"],
]

describe("articles", () => {
  test.each(BY_HAND)("%s: %p, %s", (claim, value, verdict) => {
    const figure = ARTICLE_FIGURES.find((other) => other.claim === claim)!
    if (value === undefined) expect(figure.recomputed).toBeUndefined()
    else expect(Math.abs(figure.recomputed! / value - 1)).toBeLessThan(1e-4)
    expect(judgeFigure(figure)).toBe(verdict as ReturnType<typeof judgeFigure>)
  })

  test("every figure is computed by hand above", () => {
    expect(ARTICLE_FIGURES.map(({ claim }) => claim)).toEqual(BY_HAND.map(([claim]) => claim))
  })

  test("every figure that does not hold says why", () => {
    const silent = ARTICLE_FIGURES.filter((figure) => judgeFigure(figure) !== "holds" && figure.note === "")
    expect(silent).toEqual([])
  })

  test("article B's two speeds are 11.1 ms and 0.889 ms per billion active weights", () => {
    expect(ARTICLE_B_TOKEN_TIME.fixedMs).toBeCloseTo(11.111, 3)
    expect(ARTICLE_B_TOKEN_TIME.msPerUnit).toBeCloseTo(0.8889, 4)
  })
})
