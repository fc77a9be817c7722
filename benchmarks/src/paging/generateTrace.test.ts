import { encodeTrace } from "@consilium/scheduling"
import { describe, expect, test } from "bun:test"
import { generateTrace } from "./generateTrace.ts"
import { measureTrace } from "./measureTrace.ts"
import { GENERATED } from "./tracesOf.ts"

const short = { ...GENERATED, numLayers: 4, numSteps: 800 }

describe("generateTrace", () => {
  test("hits the figures that docs/traces.md names, to a point: reuse, lookahead, the most used tenth", () => {
    for (const change of [{}, { lookahead: 0.88 }, { numStreams: 4, numSteps: 400 }]) {
      const style = { ...short, ...change }
      const figures = measureTrace(generateTrace(style, 1))
      expect(Math.abs(figures.reuse - 0.257)).toBeLessThan(0.01)
      expect(Math.abs(figures.lookahead - style.lookahead)).toBeLessThan(0.01)
      expect(Math.abs(figures.topTenth - 0.26)).toBeLessThan(0.02)
    }
  })

  test("popularity alone explains less than half of the reuse beyond chance", () => {
    const { reuse } = measureTrace(generateTrace({ ...short, reuse: 0.16 }, 1))
    expect(Math.abs(reuse - 0.16)).toBeLessThan(0.01)
  })

  test("conversations have experts of their own, and as much reuse", () => {
    const changing = measureTrace(generateTrace({ ...short, conversationLength: 100 }, 1))
    expect(Math.abs(changing.reuse - 0.257)).toBeLessThan(0.01)
    expect(changing.topTenth).toBeLessThan(0.22)
  })

  test("a token has no expert twice, and the same seed gives the same trace, another another", () => {
    const tiny = { ...short, numSteps: 20 }
    const trace = generateTrace(tiny, 1)
    for (const { expertIds } of trace.steps) {
      for (let at = 0; at < expertIds.length; at += 8) expect(new Set(expertIds.subarray(at, at + 8)).size).toBe(8)
    }
    expect(encodeTrace(generateTrace(tiny, 1))).toEqual(encodeTrace(trace))
    expect(encodeTrace(generateTrace(tiny, 2))).not.toEqual(encodeTrace(trace))
  })

  test("refuses popularity that brings more reuse than is asked for", () => {
    expect(() => generateTrace({ ...short, zipf: 1.5 }, 1)).toThrow("zipf 1.5 alone brings a reuse of")
  })
})

describe("measureTrace", () => {
  test("counts by hand: two steps of one token, two experts each", () => {
    const header = { model: "tiny", numLayers: 2, numExperts: 10, topK: 2, hasForecasts: true }
    const step = (expertIds: number[], forecastIds: number[]) => ({
      numTokens: 1,
      expertIds: Int16Array.from(expertIds),
      forecastIds: Int16Array.from(forecastIds),
    })
    const steps = [step([0, 1, 2, 3], [-1, -1, 2, 9]), step([1, 4, 3, 2], [-1, -1, 2, 3])]
    expect(measureTrace({ header, steps })).toEqual({ reuse: 3 / 4, lookahead: 3 / 4, topTenth: 4 / 8 })
  })
})
