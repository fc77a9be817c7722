/** Load-aware routing: what it gains in balance and what it costs in drift, side by side. */
import { describe, expect, test } from "bun:test"
import { createRandom } from "@consilium/tensor"
import fc from "fast-check"
import {
  addRouterNoise,
  balanceBias,
  createRouteScratch,
  createRouting,
  maskSleeping,
  route,
  type RouteOptions,
  type Routing,
  routingDrift,
  type TopKRouterConfig,
} from "../src/index.ts"

const NUM_TOKENS = 256
const NUM_EXPERTS = 16
const SOFTMAX: TopKRouterConfig = { kind: "top-k", topK: 2, score: "softmax", normalizesWeights: true }
const SIGMOID: TopKRouterConfig = { ...SOFTMAX, score: "sigmoid" }

/** Logits that favour low experts: by up to `skew`. */
function skewedLogits(random: () => number, skew: number): Float32Array {
  const logits = Float32Array.from(
    { length: NUM_TOKENS * NUM_EXPERTS },
    (_, i) => -(skew * (i % NUM_EXPERTS)) / NUM_EXPERTS,
  )
  addRouterNoise(logits, 1, random)
  return logits
}

function routed(logits: Float32Array, config: TopKRouterConfig, options: RouteOptions = {}): Routing {
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
          for (const options of [{ selectionBias }, { capacity: 40 }]) {
            const { kl } = routingDrift(plain, routed(logits, config, options), logits, NUM_EXPERTS, config.score)
            expect(kl).toBeGreaterThan(-1e-6)
          }
        },
      ),
      { numRuns: 30 },
    )
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

describe("addRouterNoise", () => {
  test("spreads tokens over experts that are nearly as good, the more the stronger, and the same for the same seed", () => {
    const clean = new Float32Array(NUM_TOKENS * NUM_EXPERTS).map((_, i) => -(i % NUM_EXPERTS) / NUM_EXPERTS)
    const noisy = (sigma: number): Routing => {
      const logits = clean.slice()
      addRouterNoise(logits, sigma, createRandom(7))
      return routed(logits, SOFTMAX)
    }
    const [none, some, much] = [noisy(0), noisy(0.2), noisy(2)].map(imbalance)
    expect(none).toBe(8)
    expect(some).toBeLessThan(none!)
    expect(much).toBeLessThan(some!)
    expect(noisy(0.2)).toEqual(noisy(0.2))
  })
})

describe("maskSleeping", () => {
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
