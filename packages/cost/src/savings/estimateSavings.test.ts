import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { modelShape } from "../../test/arbitraries.ts"
import { entryOf } from "../../test/entries.ts"
import { denseOfSameSize, type ModelShape } from "../model/ModelShape.ts"
import { type TokenPrice, tokenCostUsd } from "../TokenPrice.ts"
import { denseFactors, median, type SparseRates } from "./denseFactors.ts"
import { savedAgainstDense, savedAgainstStrongest, strongestPrice } from "./estimateSavings.ts"

const price = (usd: number): TokenPrice => ({
  inputUsdPerMillion: usd,
  cachedUsdPerMillion: usd,
  outputUsdPerMillion: 4 * usd,
})
const tokens = { promptTokens: 1000, cachedTokens: 0, generatedTokens: 1000 }
const answered = (requestId: string, usd: number, given = {}) =>
  entryOf({ requestId, ...tokens, price: price(usd), costUsd: tokenCostUsd(tokens, price(usd)), ...given })

/** All weights are experts': 8 of them, 2 used. */
const shape: ModelShape = {
  numSharedParameters: 0,
  numLookupParameters: 0,
  numExpertParameters: 1e6,
  numMoeLayers: 4,
  numExperts: 8,
  topK: 2,
  sharedBytesPerWeight: 1,
  expertBytesPerWeight: 1,
}
/** Half of what an ideal layer of 8 and 2 saves in prefill, all of it in decode of one row. */
const rates: SparseRates = {
  numExperts: 8,
  topK: 2,
  decode: [{ numRows: 1, experts: [1], dense: [4] }],
  prefill: { experts: [1, 1, 1], dense: [1.9, 2, 2.1] },
}

describe("savedAgainstStrongest", () => {
  test("half of the requests at a tenth of the price save 45 %", () => {
    const entries = Array.from({ length: 100 }, (_, i) => answered(String(i), i % 2 === 0 ? 1 : 10))
    const saving = savedAgainstStrongest(entries, strongestPrice(entries)!)!
    expect(saving.saved.value).toBeCloseTo(0.45, 9)
    expect(saving.saved.p10).toBeLessThan(0.45)
    expect(saving.saved.p90).toBeGreaterThan(0.45)
    // Of 100 draws of two values, ± 1.28 σ with σ = 0.45 / √100.
    expect(saving.saved.p90 - saving.saved.p10).toBeGreaterThan(0.08)
    expect(saving.saved.p90 - saving.saved.p10).toBeLessThan(0.16)
    expect(savedAgainstStrongest(entries, strongestPrice(entries)!)).toEqual(saving)
  })

  test("of many requests groups are drawn, with the same spread", () => {
    const entries = Array.from({ length: 20_000 }, (_, i) => answered(String(i), (i * 7919) % 13 < 6 ? 1 : 10))
    const { saved } = savedAgainstStrongest(entries, price(10))!
    // σ = 0.9 · √(p(1 − p)) = 0.45 of a request, and 1.28 σ / √20,000 to each side.
    expect((saved.p90 - saved.p10) / ((2 * 1.28 * 0.45) / Math.sqrt(20_000))).toBeGreaterThan(0.85)
    expect((saved.p90 - saved.p10) / ((2 * 1.28 * 0.45) / Math.sqrt(20_000))).toBeLessThan(1.15)
  })

  test("attempts that failed are paid for here alone, and requests without an answer are left out", () => {
    const entries = [
      answered("a", 1, { outcome: "failed" }),
      answered("a", 1),
      answered("b", 1, { outcome: "cancelled" }),
    ]
    const saving = savedAgainstStrongest(entries, price(1))!
    expect([saving.numRequests, saving.saved.value]).toEqual([1, expect.closeTo(-1, 9)])
  })

  test("nothing is saved where nothing would have been paid", () => {
    expect(savedAgainstStrongest([], price(1))).toBeUndefined()
    expect(savedAgainstStrongest([answered("a", 0)], price(0))).toBeUndefined()
    expect(strongestPrice([])).toBeUndefined()
  })
})

describe("savedAgainstDense", () => {
  test("is what a hand computes: prompts twice, answers four times the price", () => {
    // Of 5 units of money 1 is the prompt's: 1 · 2 + 4 · 4 = 18.
    const saving = savedAgainstDense([answered("a", 1)], shape, rates)!
    expect(saving.insteadUsd / saving.actualUsd).toBeCloseTo(18 / 5, 9)
    expect(saving.saved.value).toBeCloseTo(1 - 5 / 18, 9)
  })

  test("one request still has an error bar: that of the measurements", () => {
    const { saved } = savedAgainstDense([answered("a", 1)], shape, rates)!
    expect(saved.p10).toBeLessThan(saved.p90)
  })

  test("a dense model saves nothing against itself, measured or not", () => {
    fc.assert(
      fc.property(modelShape, fc.integer({ min: 1, max: 64 }), (model, numTogether) => {
        const factors = denseFactors(denseOfSameSize(model), undefined, median)
        expect([factors.prompt, factors.generated(numTogether)]).toEqual([expect.closeTo(1, 9), expect.closeTo(1, 9)])
      }),
    )
  })

  test("the more answers run together, the less is saved: they read nearly all experts between them", () => {
    fc.assert(
      fc.property(modelShape, fc.integer({ min: 1, max: 64 }), (model, numTogether) => {
        const { generated } = denseFactors(model, undefined, median)
        expect(generated(numTogether + 1)).toBeLessThanOrEqual(generated(numTogether) * (1 + 1e-9))
        expect(generated(numTogether)).toBeGreaterThanOrEqual(1 - 1e-9)
      }),
    )
  })
})
