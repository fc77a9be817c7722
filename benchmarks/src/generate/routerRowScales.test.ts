import { expect, test } from "bun:test"
import { createRandom, noise } from "@consilium/tensor"
import { parseSkew, routerRowScales } from "./routerRowScales.ts"

/** Share of `numTokens` simulated tokens that each expert gets when normal logits of these deviations compete, largest first. */
function simulatedLoads(scales: Float32Array, topK: number, numTokens: number): number[] {
  const loads = Array.from(scales, () => 0)
  const logits = noise(numTokens * scales.length, 99, 1)
  for (let t = 0; t < numTokens; t++) {
    const row = Array.from(scales, (scale, e) => scale * logits[t * scales.length + e]!)
    const chosen = row.map((logit, e) => ({ logit, e })).sort((a, b) => b.logit - a.logit)
    for (const { e } of chosen.slice(0, topK)) loads[e]! += 1 / numTokens
  }
  return loads.sort((a, b) => b - a)
}

test("routerRowScales: uniform leaves every row as it is", () => {
  expect([...routerRowScales(4, 2, "uniform", 1)]).toEqual([1, 1, 1, 1])
})

test("routerRowScales: zipf's load falls with the rank, from at most 45 % of tokens, and sums to topK", () => {
  const loads = simulatedLoads(routerRowScales(64, 8, "zipf", 1), 8, 2000)
  expect(loads[0]!).toBeGreaterThan(0.38)
  expect(loads[0]!).toBeLessThan(0.52)
  // Ranks 16 and 32 are past the bound: twice the rank, half the load.
  expect(loads[15]! / loads[31]!).toBeGreaterThan(1.5)
  expect(loads[15]! / loads[31]!).toBeLessThan(2.5)
  expect(loads.reduce((sum, load) => sum + load, 0)).toBeCloseTo(8, 6)
  const uniform = simulatedLoads(routerRowScales(64, 8, "uniform", 1), 8, 2000)
  expect(uniform[0]! / uniform[63]!).toBeLessThan(1.6)
})

test("routerRowScales: the seed decides which experts are popular; the mean square stays 1", () => {
  const random = createRandom(5)
  for (let i = 0; i < 5; i++) {
    const scales = routerRowScales(128, 8, "zipf", Math.floor(random() * 1e6))
    expect(scales.reduce((sum, scale) => sum + scale * scale, 0) / 128).toBeCloseTo(1, 5)
  }
  const first = routerRowScales(128, 8, "zipf", 1)
  expect(first).toEqual(routerRowScales(128, 8, "zipf", 1))
  expect(first).not.toEqual(routerRowScales(128, 8, "zipf", 2))
})

test("routerRowScales: topK of nearly all experts still has a load for each", () => {
  expect(routerRowScales(4, 3, "zipf", 1).every((scale) => Number.isFinite(scale) && scale > 0)).toBe(true)
})

test("parseSkew: uniform unless given, and only what there is", () => {
  expect([parseSkew(undefined), parseSkew("zipf")]).toEqual(["uniform", "zipf"])
  expect(() => parseSkew("hot")).toThrow("--skew hot: expected uniform or zipf")
})
