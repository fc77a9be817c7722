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

  test("the 65th observation is the first that can be far", () => {
    for (const numSeen of [63, 64]) {
      const norms = createOutputNorms(1, 1)
      for (let i = 0; i < numSeen; i++) noticeOutputNorm(norms, 0, 0, 2)
      expect(noticeOutputNorm(norms, 0, 0, 2e6)).toBe(numSeen === 64)
    }
  })

  test("16 times the usual is borne, more is not; of experts that vary, 8 deviations", () => {
    const norms = createOutputNorms(1, 1)
    for (let i = 0; i < 100; i++) noticeOutputNorm(norms, 0, 0, 1)
    const isFar = (of: OutputNorms, norm: number): boolean => noticeOutputNorm(structuredClone(of), 0, 0, norm)
    expect([15.9, 1 / 15.9, 16.1, 1 / 16.1].map((norm) => isFar(norms, norm))).toEqual([false, false, true, true])
    const varying = createOutputNorms(1, 1)
    // Logarithms are 1 and -1: their deviation is 1.
    for (let i = 0; i < 1000; i++) learnOutputNorm(varying, 0, 0, i % 2 === 0 ? Math.E : 1 / Math.E)
    expect(varying.variances[0]).toBeCloseTo(1, 2)
    expect([7.9, -7.9, 8.1, -8.1].map((log) => isFar(varying, Math.exp(log)))).toEqual([false, false, true, true])
  })

  test("the history is the mean and the variance of all, and the last thousand count when there are more", () => {
    const norms = createOutputNorms(1, 1)
    const random = createRandom(2)
    const logs = Array.from({ length: 900 }, () => random())
    for (const log of logs) learnOutputNorm(norms, 0, 0, Math.exp(log))
    const mean = logs.reduce((sum, log) => sum + log, 0) / logs.length
    expect(norms.means[0]).toBeCloseTo(mean, 9)
    expect(norms.variances[0]).toBeCloseTo(logs.reduce((sum, log) => sum + (log - mean) ** 2, 0) / logs.length, 9)
    for (let i = 0; i < 10_000; i++) learnOutputNorm(norms, 0, 0, Math.exp(5))
    expect(norms.counts[0]).toBe(1024)
    expect(norms.means[0]).toBeCloseTo(5, 3)
  })

  test("forgetting one expert's history leaves it as it was at first, and the others'", () => {
    const norms = createOutputNorms(3, 4)
    for (let i = 0; i < 12; i++) for (let n = 0; n < 5; n++) learnOutputNorm(norms, Math.floor(i / 4), i % 4, i + n)
    const before = norms.counts.slice()
    forgetOutputNorms(norms, 2, 1)
    expect([...norms.counts]).toEqual(Array.from(before.with(9, 0)))
    expect([norms.means[9], norms.variances[9]]).toEqual([0, 0])
    expect(norms.means.every((mean, i) => i === 9 || mean !== 0)).toBe(true)
  })
})
