import { describe, expect, test } from "bun:test"
import { expectClose, fixturePath, readFixtureJson } from "@consilium/testing"
import fc from "fast-check"
import { readdirSync } from "node:fs"
import { createRouteScratch, createRouting, type RouteOptions, type RouterConfig, route, type Routing } from "./index.ts"

interface Case {
  readonly numExperts: number
  readonly topK: number
  readonly params: Readonly<Record<string, unknown>>
  readonly logits: number[][]
  readonly expertIds: number[][]
  readonly weights: number[][]
}
interface Fixture {
  readonly router: string
  readonly cases: Case[]
  readonly ties: { readonly cases: Case[] }
}

/** The published routers in our description. */
const CONFIGS: Readonly<Record<string, (topK: number, params: Record<string, never>) => RouterConfig>> = {
  "softmax-topk": (topK, p) => ({ kind: "top-k", topK, score: "softmax", normalizesWeights: p.norm_topk_prob! }),
  mixtral: (topK) => ({ kind: "top-k", topK, score: "softmax", normalizesWeights: true }),
  "topk-softmax": (topK) => ({ kind: "top-k", topK, score: "softmax", normalizesWeights: true }),
  "topk-softmax-bias": (topK) => ({ kind: "top-k", topK, score: "softmax", normalizesWeights: true }),
  "deepseek-v2-greedy": (topK, p) => ({ kind: "top-k", topK, score: "softmax", normalizesWeights: false, scale: p.routed_scaling_factor! }),
  "deepseek-v2-group": (topK, p) => ({
    kind: "top-k", topK, score: "softmax", normalizesWeights: false, scale: p.routed_scaling_factor!,
    groups: { numGroups: p.n_group!, numKept: p.topk_group!, score: "best" },
  }),
  "deepseek-v3": (topK, p) => ({
    kind: "top-k", topK, score: "sigmoid", normalizesWeights: p.norm_topk_prob!, normEpsilon: 1e-20, scale: p.routed_scaling_factor!,
    groups: { numGroups: p.n_group!, numKept: p.topk_group!, score: "two-best" },
  }),
  "glm4-moe": (topK, p) => ({
    kind: "top-k", topK, score: "sigmoid", normalizesWeights: p.norm_topk_prob!, normEpsilon: 1e-20, scale: p.routed_scaling_factor!,
    groups: { numGroups: p.n_group!, numKept: p.topk_group!, score: "two-best" },
  }),
  "ernie4_5-moe": (topK) => ({ kind: "top-k", topK, score: "softmax", normalizesWeights: true }),
  "lfm2-moe": (topK, p) => ({
    kind: "top-k", topK, score: "sigmoid", normalizesWeights: p.norm_topk_prob!, normEpsilon: 1e-6, scale: p.routed_scaling_factor!,
  }),
  llama4: (topK) => ({ kind: "top-k", topK, score: "sigmoid", normalizesWeights: false, choosesByLogits: true }),
  "phimoe-sparsemixer": (_, p) => ({ kind: "sparsemixer", topK: 2, jitterEpsilon: p.jitter_eps! }),
}

function run(logits: number[][], config: RouterConfig, options: RouteOptions = {}): Routing {
  const numExperts = logits[0]?.length ?? 1
  const routing = createRouting(logits.length, config.topK)
  return route(routing, Float32Array.from(logits.flat()), logits.length, config, createRouteScratch(numExperts), options)
}

describe("route: every published router", () => {
  const names = readdirSync(fixturePath("routers")).map((file) => file.replace(".json", ""))

  test("each fixture has a description, and none is left over", () => {
    expect(names.sort()).toEqual(Object.keys(CONFIGS).sort())
  })

  for (const name of names) {
    const fixture = readFixtureJson<Fixture>(fixturePath("routers", `${name}.json`))
    for (const [kind, cases] of [["cases", fixture.cases], ["ties", fixture.ties.cases]] as const) {
      test(`${name}: ${cases.length} ${kind}`, () => {
        for (const { topK, params, logits, expertIds, weights } of cases) {
          const config = CONFIGS[name]!(topK, params as Record<string, never>)
          // gpt-oss' bias belongs to its linear layer: the logits here hold it already.
          const bias = name === "topk-softmax-bias" ? undefined : (params.bias as number[] | undefined)
          const routing = run(logits, config, bias === undefined ? {} : { selectionBias: Float32Array.from(bias) })
          expect([...routing.expertIds]).toEqual(expertIds.flat())
          expectClose(routing.weights, weights.flat(), 1e-7, { relative: 1e-5, name })
        }
      })
    }
  }
})

const MIXTRAL: RouterConfig = { kind: "top-k", topK: 2, score: "softmax", normalizesWeights: true }
const logitsArb = (numExperts: number) =>
  fc.array(fc.array(fc.float({ min: -20, max: 20, noNaN: true }), { minLength: numExperts, maxLength: numExperts }), { minLength: 1, maxLength: 12 })

describe("route: properties", () => {
  test("a masked expert equals a model without it", () => {
    fc.assert(
      fc.property(logitsArb(6), fc.integer({ min: 0, max: 5 }), fc.boolean(), (logits, masked, normalizesWeights) => {
        const config = { ...MIXTRAL, normalizesWeights } as const
        const availability = Uint8Array.from({ length: 6 }, (_, e) => (e === masked ? 0 : 1))
        const with_ = run(logits, config, { availability })
        const without = run(logits.map((row) => row.filter((_, e) => e !== masked)), config)
        expect([...with_.expertIds].map((id) => (id > masked ? id - 1 : id))).toEqual([...without.expertIds])
        expectClose(with_.weights, without.weights, 1e-6)
      }),
    )
  })

  test("permuting tokens permutes the routing", () => {
    fc.assert(
      fc.property(logitsArb(5), (logits) => {
        const forward = run(logits, MIXTRAL)
        const backward = run(logits.toReversed(), MIXTRAL)
        const pairs = (r: Routing) => Array.from({ length: logits.length }, (_, t) => [r.expertIds[2 * t], r.expertIds[2 * t + 1], r.weights[2 * t]])
        expect(pairs(backward)).toEqual(pairs(forward).toReversed())
      }),
    )
  })

  test("no expert takes more than its capacity, and what is chosen stays distinct", () => {
    fc.assert(
      fc.property(logitsArb(4), fc.integer({ min: 1, max: 8 }), (logits, capacity) => {
        const { expertIds, weights } = run(logits, MIXTRAL, { capacity })
        for (let e = 0; e < 4; e++) expect(expertIds.filter((id) => id === e).length).toBeLessThanOrEqual(capacity)
        for (let t = 0; t < logits.length; t++) {
          const [a, b] = [expertIds[2 * t]!, expertIds[2 * t + 1]!]
          if (a >= 0) expect(a).not.toBe(b)
          if (b < 0) expect(weights[2 * t + 1]).toBe(0)
        }
      }),
    )
  })

  test("a selection bias chooses, and never weighs", () => {
    const selectionBias = Float32Array.of(0, 0, 0, 10)
    const { expertIds, weights } = run([[3, 2, 1, 0]], { ...MIXTRAL, normalizesWeights: false }, { selectionBias })
    expect([...expertIds]).toEqual([3, 0])
    const softmax0 = 1 / [3, 2, 1, 0].reduce((sum, z) => sum + Math.exp(z), 0)
    expect(weights[0]).toBeCloseTo(softmax0, 6)
  })

  test("temperature changes weights, never the choice", () => {
    const z = [2, 1, 0.5, -0.5, 1.5, 0, -1, 0.25]
    expectClose(run([z], MIXTRAL).weights, [0.622459, 0.377541], 1e-6)
    expectClose(run([z], { ...MIXTRAL, temperature: 0.1 }).weights, [0.9933, 0.0067], 1e-4)
    expect([...run([z], { ...MIXTRAL, temperature: 0.1 }).expertIds]).toEqual([0, 4])
  })

  test("with no expert left every assignment is dropped", () => {
    const { expertIds, weights } = run([[1, 2]], MIXTRAL, { availability: Uint8Array.of(0, 0) })
    expect([[...expertIds], [...weights]]).toEqual([[-1, -1], [0, 0]])
  })

  test("a row that is not finite is named", () => {
    expect(() => run([[1, 2], [Number.NaN, 0]], MIXTRAL)).toThrow("token 1, expert 0")
  })
})
