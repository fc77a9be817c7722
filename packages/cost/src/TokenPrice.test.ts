import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { parseTokenPrice, tokenCostUsd } from "./TokenPrice.ts"

const price = { inputUsdPerMillion: 1, cachedUsdPerMillion: 0.1, outputUsdPerMillion: 4 }

describe("tokenCostUsd", () => {
  test("600 tokens at $1, 400 cached ones at $0.10 and 250 at $4 a million are $0.00164", () => {
    expect(tokenCostUsd({ promptTokens: 1000, cachedTokens: 400, generatedTokens: 250 }, price)).toBeCloseTo(
      0.00164,
      12,
    )
  })

  test("two requests cost what their sums cost", () => {
    const count = fc.integer({ min: 0, max: 1e6 })
    const counts = fc
      .record({ fresh: count, cachedTokens: count, generatedTokens: count })
      .map(({ fresh, ...rest }) => ({ ...rest, promptTokens: fresh + rest.cachedTokens }))
    fc.assert(
      fc.property(counts, counts, (a, b) => {
        const sum = {
          promptTokens: a.promptTokens + b.promptTokens,
          cachedTokens: a.cachedTokens + b.cachedTokens,
          generatedTokens: a.generatedTokens + b.generatedTokens,
        }
        expect(tokenCostUsd(a, price) + tokenCostUsd(b, price)).toBeCloseTo(tokenCostUsd(sum, price), 9)
      }),
    )
  })
})

describe("parseTokenPrice", () => {
  test("reads two or three prices", () => {
    expect(parseTokenPrice("1, 4")).toEqual({ ...price, cachedUsdPerMillion: 1 })
    expect(parseTokenPrice("1,0.1,4")).toEqual(price)
  })

  test.each(["", "1", "1,", "1,2,3,4", "a,b", "-1,2", "1,Infinity"])("%p is none", (text) => {
    expect(parseTokenPrice(text)).toBeUndefined()
  })
})
