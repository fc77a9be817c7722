import { describe, expect, test } from "bun:test"
import { createRandom } from "@consilium/tensor"
import { createOutputNorms, forgetOutputNorms, learnOutputNorm, noticeOutputNorm, type OutputNorms } from "./index.ts"

/** A history in which expert 1 of layer 1 gave norms near 3. */
function withHistory(): OutputNorms {
  const norms = createOutputNorms(2, 4)
  const random = createRandom(1)
  for (let i = 0; i < 500; i++) expect(noticeOutputNorm(norms, 1, 1, 3 * Math.exp(random() - 0.5))).toBe(false)
  return norms
}

describe("OutputNorms", () => {
  test("a norm far above or below the expert's own is noticed, also that of zeros; one within a factor is not", () => {
    const norms = withHistory()
    for (const far of [3000, 1e-3, 0]) expect(noticeOutputNorm(norms, 1, 1, far)).toBe(true)
    for (const near of [9, 1]) expect(noticeOutputNorm(norms, 1, 1, near)).toBe(false)
  })

  test("an output that is not finite is noticed without any history", () => {
    const norms = createOutputNorms(1, 1)
    expect(noticeOutputNorm(norms, 0, 0, Number.NaN)).toBe(true)
    expect(noticeOutputNorm(norms, 0, 0, Number.POSITIVE_INFINITY)).toBe(true)
    expect(norms.counts[0]).toBe(0)
  })

  test("few observations accuse nobody, and experts do not share a history", () => {
    const norms = withHistory()
    expect(noticeOutputNorm(norms, 1, 2, 1e6)).toBe(false)
    expect(noticeOutputNorm(norms, 0, 1, 1e6)).toBe(false)
  })

  test("what was noticed is not learnt by itself, and may be taught", () => {
    const norms = withHistory()
    const before = norms.means[5]!
    noticeOutputNorm(norms, 1, 1, 1e6)
    expect(norms.means[5]).toBe(before)
    for (let i = 0; i < 20; i++) learnOutputNorm(norms, 1, 1, 1e6)
    expect(noticeOutputNorm(norms, 1, 1, 1e6)).toBe(false)
  })

  test("an expert that is always the same is not accused for a little more; a forgotten history starts anew", () => {
    const norms = createOutputNorms(1, 1)
    for (let i = 0; i < 100; i++) noticeOutputNorm(norms, 0, 0, 2)
    expect(norms.means[0]).toBeCloseTo(Math.log(2), 12)
    expect(norms.variances[0]).toBeCloseTo(0, 12)
    expect(noticeOutputNorm(norms, 0, 0, 20)).toBe(false)
    expect(noticeOutputNorm(norms, 0, 0, 2e6)).toBe(true)
    forgetOutputNorms(norms, 0, 0)
    expect(noticeOutputNorm(norms, 0, 0, 2e6)).toBe(false)
  })
})
