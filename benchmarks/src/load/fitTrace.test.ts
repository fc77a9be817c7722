import { expect, test } from "bun:test"
import { fitTrace } from "./fitTrace.ts"
import { synthesizeTrace } from "./synthesizeTrace.ts"

const trace = synthesizeTrace(1000, 1)

test("synthesizeTrace: the same seed gives the same trace, another another", () => {
  expect(synthesizeTrace(50, 3)).toEqual(synthesizeTrace(50, 3))
  expect(synthesizeTrace(50, 3)).not.toEqual(synthesizeTrace(50, 4))
})

test("synthesizeTrace: arrivals come in bursts and token counts have long tails", () => {
  const gaps = trace.slice(1).map(({ arrivalMs }, i) => arrivalMs - trace[i]!.arrivalMs)
  const mean = gaps.reduce((a, b) => a + b) / gaps.length
  const spread = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length)
  // Of arrivals without bursts the spread is the mean.
  expect(spread / mean).toBeGreaterThan(1.15)
  const contexts = trace.map(({ contextTokens }) => contextTokens).sort((a, b) => a - b)
  expect(contexts[990]! / contexts[500]!).toBeGreaterThan(8)
  expect(contexts[0]).toBeGreaterThan(0)
})

test("fitTrace: time is scaled to the rate, and bursts stay bursts", () => {
  const { requests } = fitTrace(trace, { numRequests: 101, rate: 20, maxTokens: 1e9 })
  expect(requests).toHaveLength(101)
  expect(requests.at(-1)!.arrivalMs).toBeCloseTo(5000, 6)
  expect(requests[50]!.arrivalMs / requests[100]!.arrivalMs).toBeCloseTo(
    trace[50]!.arrivalMs / trace[100]!.arrivalMs,
    9,
  )
})

test("fitTrace: token counts are scaled together, never up, and nothing is longer than a request may be", () => {
  const { requests, tokenScale } = fitTrace(trace, { numRequests: 1000, rate: 1, maxTokens: 512 })
  expect(tokenScale).toBeLessThan(0.2)
  let numCut = 0
  for (const [i, { contextTokens, generatedTokens }] of requests.entries()) {
    expect(contextTokens + generatedTokens).toBeLessThanOrEqual(513)
    expect(Math.min(contextTokens, generatedTokens)).toBeGreaterThan(0)
    if (contextTokens < Math.floor(trace[i]!.contextTokens * tokenScale)) numCut++
  }
  expect(numCut).toBeGreaterThan(0)
  expect(numCut).toBeLessThanOrEqual(10)
  expect(fitTrace(trace, { numRequests: 10, rate: 1, maxTokens: 1e9 }).tokenScale).toBe(1)
})

test("fitTrace: requests that all arrive at once stay so", () => {
  const burst = [0, 0].map((arrivalMs) => ({ arrivalMs, contextTokens: 1, generatedTokens: 1 }))
  expect(fitTrace(burst, { numRequests: 2, rate: 1, maxTokens: 9 }).requests.map(({ arrivalMs }) => arrivalMs)).toEqual(
    [0, 0],
  )
})
