/** Load-aware routing: what it gains in balance and what it costs in drift, side by side. */
import { describe, expect, test } from "bun:test"
import { createRandom, noise } from "@consilium/tensor"
import fc from "fast-check"
import {
  balanceBias,
  createRouteScratch,
  createRouting,
  drawRouterNoise,
  maskSleeping,
  route,
  type RouteOptions,
  type RouterConfig,
  type Routing,
  routingDrift,
  type TopKRouterConfig,
} from "../src/index.ts"

const NUM_TOKENS = 256
const NUM_EXPERTS = 16
const SOFTMAX: TopKRouterConfig = { kind: "top-k", topK: 2, score: "softmax", normalizesWeights: true }
const PHIMOE: RouterConfig = { kind: "sparsemixer", topK: 2, jitterEpsilon: 0.01 }
const SIGMOID: TopKRouterConfig = { ...SOFTMAX, score: "sigmoid" }

/** Logits that favour low experts: by up to `skew`. */
function skewedLogits(random: () => number, skew: number): Float32Array {
  const spread = noise(NUM_TOKENS * NUM_EXPERTS, Math.floor(random() * 2 ** 32), 1)
  return spread.map((value, i) => value - (skew * (i % NUM_EXPERTS)) / NUM_EXPERTS)
}

/** Noise for all tokens, `[T, E]`. */
function noiseOf(sigma: number, seed: number): Float32Array {
  const out = new Float32Array(NUM_TOKENS * NUM_EXPERTS)
  for (let t = 0; t < NUM_TOKENS; t++) drawRouterNoise(out, t * NUM_EXPERTS, NUM_EXPERTS, sigma, seed + 1000 * t)
  return out
}

function routed(logits: Float32Array, config: RouterConfig, options: RouteOptions = {}): Routing {
  return route(createRouting(NUM_TOKENS, 2), logits, NUM_TOKENS, config, createRouteScratch(NUM_EXPERTS), options)
}

function tokensPerExpert({ expertIds }: Routing): Float64Array {
  const counts = new Float64Array(NUM_EXPERTS)
  for (const expertId of expertIds) if (expertId >= 0) counts[expertId]!++
  return counts
}

const imbalance = (routing: Routing): number => {
  const counts = tokensPerExpert(routing)
  return Math.max(...counts) / (counts.reduce((sum, count) => sum + count, 0) / NUM_EXPERTS)
}

describe("balanceBias", () => {
  test.each([SOFTMAX, SIGMOID])("balances a skewed router at a drift that is measured: $score", (config) => {
    const random = createRandom(1)
    const bias = new Float32Array(NUM_EXPERTS)
    for (let step = 0; step < 1000; step++) {
      const routing = routed(skewedLogits(random, 3), config, { selectionBias: bias })
      balanceBias(bias, tokensPerExpert(routing), { rate: 0.001, most: 1 })
    }
    const logits = skewedLogits(random, 3)
    const [plain, biased] = [routed(logits, config), routed(logits, config, { selectionBias: bias })]
    expect(imbalance(plain)).toBeGreaterThan(2.5)
    expect(imbalance(biased)).toBeLessThan(1.6)
    const drift = routingDrift(plain, biased, logits, NUM_EXPERTS, config.score)
    expect(drift.kl).toBeGreaterThan(0.01)
    expect(drift.kl).toBeLessThan(1)
    expect(drift.moved).toBeGreaterThan(0.1)
  })

  test("no bias is further from the trained one than allowed", () => {
    const trained = Float32Array.of(0.5, -0.5)
    const bias = trained.slice()
    for (let step = 0; step < 100; step++) balanceBias(bias, [10, 0], { rate: 0.01, most: 0.25 }, trained)
    expect([...bias]).toEqual([0.25, -0.25])
  })

  test("a step of DeepSeek-V3's rate is the golden one", () => {
    const bias = new Float32Array(4)
    balanceBias(bias, [3, 2, 1, 2], { rate: 0.001, most: 1 })
    expect([...bias].map((value) => Number(value.toFixed(6)))).toEqual([-0.001, 0, 0.001, 0])
  })
})

describe("routingDrift", () => {
  test("is 0 against itself, and never less where the router knows no trained bias", () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.constantFrom(SOFTMAX, SIGMOID),
        fc.float({ min: 0, max: 2, noNaN: true }),
        (seed, config, size) => {
          const random = createRandom(seed)
          const logits = skewedLogits(random, 1)
          const plain = routed(logits, config)
          expect(routingDrift(plain, plain, logits, NUM_EXPERTS, config.score)).toEqual({ kl: 0, moved: 0 })
          const selectionBias = Float32Array.from({ length: NUM_EXPERTS }, () => size * (random() - 0.5))
          const routerNoise = noiseOf(size, seed)
          for (const options of [{ selectionBias }, { capacity: 40 }, { routerNoise }]) {
            const { kl } = routingDrift(plain, routed(logits, config, options), logits, NUM_EXPERTS, config.score)
            expect(kl).toBeGreaterThan(-1e-6)
          }
        },
      ),
      { numRuns: 30 },
    )
  })

  test("is what each token's share of scores gives by hand, dropped assignments included", () => {
    const logits = Float32Array.of(Math.log(4), Math.log(3), Math.log(2), Math.log(1), 0, 0, 0, 0)
    const routing = (ids: number[], weights: number[]): Routing => ({
      numTokens: 2,
      topK: 2,
      expertIds: Int32Array.from(ids),
      weights: Float32Array.from(weights),
    })
    const plain = routing([0, 1, 0, 1], [4 / 7, 3 / 7, 0.5, 0.5])
    const biased = routing([1, 2, 3, -1], [3 / 5, 2 / 5, 1, 0])
    const { kl, moved } = routingDrift(plain, biased, logits, 4, "softmax")
    // Normalised shares of a set diverge by -log of the set's sum: 0.7 and 0.5 of the first token, 0.5 and 0.25 of the second.
    expect(kl).toBeCloseTo((Math.log(0.7 / 0.5) + Math.log(0.5 / 0.25)) / 2, 6)
    expect(moved).toBe(3 / 4)
    expect(routingDrift({ ...plain, numTokens: 0 }, biased, logits, 4, "softmax")).toEqual({ kl: 0, moved: 0 })
    // Weights that do not add up to 1 are compared as if they did.
    const scaled = routing([1, 2, 3, -1], [6, 4, 7, 0])
    expect(routingDrift(plain, scaled, logits, 4, "softmax").kl).toBeCloseTo(kl, 6)
  })

  test("of sigmoids it counts sigmoids, not exponentials", () => {
    const logits = Float32Array.of(0, Math.log(3))
    const routing = (id: number): Routing => ({
      numTokens: 1,
      topK: 1,
      expertIds: Int32Array.of(id),
      weights: Float32Array.of(1),
    })
    // Sigmoids of 1/2 and 3/4: shares of 2/5 and 3/5.
    expect(routingDrift(routing(1), routing(0), logits, 2, "sigmoid").kl).toBeCloseTo(Math.log(3 / 2), 6)
  })

  test("is what the best choice is likelier than the biased one", () => {
    const logits = Float32Array.of(2, 1, 0, 0)
    const routing = (options: RouteOptions): Routing =>
      route(createRouting(1, 1), logits, 1, { ...SOFTMAX, topK: 1 }, createRouteScratch(4), options)
    const biased = routing({ availability: Uint8Array.of(0, 1, 1, 1) })
    const { kl, moved } = routingDrift(routing({}), biased, logits, 4, "softmax")
    expect(kl).toBeCloseTo(1, 6)
    expect(moved).toBe(1)
  })
})

describe("drawRouterNoise", () => {
  test("spreads tokens over experts that are nearly as good, the more the stronger, and the same for the same seed", () => {
    const logits = new Float32Array(NUM_TOKENS * NUM_EXPERTS).map((_, i) => -(i % NUM_EXPERTS) / NUM_EXPERTS)
    for (const config of [SOFTMAX, SIGMOID, PHIMOE]) {
      const noisy = (sigma: number): Routing => routed(logits, config, { routerNoise: noiseOf(sigma, 7) })
      const [none, some, much] = [noisy(0), noisy(0.2), noisy(2)].map(imbalance)
      expect(none).toBe(8)
      expect(some).toBeLessThan(none!)
      expect(much).toBeLessThan(some!)
      expect(noisy(0.2)).toEqual(noisy(0.2))
    }
  })

  test("is as strong as it is said to be, and leans to no side", () => {
    const values = noiseOf(0.5, 3)
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length)
    expect(mean).toBeCloseTo(0, 1)
    expect(deviation).toBeCloseTo(0.5, 1)
  })

  test("chooses, and never weighs: the chosen have the weights that their own logits give", () => {
    const logits = skewedLogits(createRandom(4), 1)
    const plain = routed(logits, { ...SOFTMAX, normalizesWeights: false })
    const noisy = routed(logits, { ...SOFTMAX, normalizesWeights: false }, { routerNoise: noiseOf(1, 4) })
    let numAlike = 0
    for (let a = 0; a < NUM_TOKENS * 2; a++) {
      const same = plain.expertIds.subarray(a & ~1, (a & ~1) + 2).indexOf(noisy.expertIds[a]!)
      if (same < 0) continue
      numAlike++
      expect(noisy.weights[a]).toBe(plain.weights[(a & ~1) + same]!)
    }
    expect(numAlike).toBeGreaterThan(NUM_TOKENS / 2)
    expect(numAlike).toBeLessThan(NUM_TOKENS * 2)
  })

  test("noise of fewer tokens is refused", () => {
    expect(() => routed(skewedLogits(createRandom(1), 1), SOFTMAX, { routerNoise: new Float32Array(5) })).toThrow(
      "expected 4096 values of routerNoise, one for each logit, found 5",
    )
  })
})

describe("maskSleeping", () => {
  test("as many awake as a token visits are enough, one fewer are not", () => {
    const mask = new Uint8Array(4)
    const availability = Uint8Array.of(1, 1, 0, 1)
    expect(maskSleeping(mask, availability, Uint8Array.of(1, 0, 1, 1), 2)).toBe(true)
    expect([...mask]).toEqual([1, 0, 0, 1])
    expect(maskSleeping(mask, availability, Uint8Array.of(1, 0, 1, 1), 3)).toBe(false)
    expect([...mask]).toEqual([...availability])
  })

  test("tokens go round experts that sleep, unless too few are awake", () => {
    const logits = skewedLogits(createRandom(2), 1)
    const availability = new Uint8Array(NUM_EXPERTS).fill(1)
    availability[3] = 0
    const awake = Uint8Array.from({ length: NUM_EXPERTS }, (_, e) => (e % 2 === 1 ? 1 : 0))
    const mask = new Uint8Array(NUM_EXPERTS)
    expect(maskSleeping(mask, availability, awake, 2)).toBe(true)
    const chosen = new Set(routed(logits, SOFTMAX, { availability: mask }).expertIds)
    expect([...chosen].every((expertId) => expertId % 2 === 1 && expertId !== 3)).toBe(true)

    expect(maskSleeping(mask, availability, Uint8Array.of(1, ...new Uint8Array(NUM_EXPERTS - 1)), 2)).toBe(false)
    expect(mask).toEqual(availability)
  })
})
