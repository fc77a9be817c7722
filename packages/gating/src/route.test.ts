import { describe, expect, test } from "bun:test"
import { expectClose, fixturePath, readFixtureJson } from "@consilium/testing"
import fc from "fast-check"
import { readdirSync } from "node:fs"
import {
  createRouteScratch,
  createRouting,
  type RouteOptions,
  type RouterConfig,
  route,
  type Routing,
} from "./index.ts"

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
  "deepseek-v2-greedy": (topK, p) => ({
    kind: "top-k",
    topK,
    score: "softmax",
    normalizesWeights: false,
    scale: p.routed_scaling_factor!,
  }),
  "deepseek-v2-group": (topK, p) => ({
    kind: "top-k",
    topK,
    score: "softmax",
    normalizesWeights: false,
    scale: p.routed_scaling_factor!,
    groups: { numGroups: p.n_group!, numKept: p.topk_group!, score: "best" },
  }),
  "deepseek-v3": (topK, p) => ({
    kind: "top-k",
    topK,
    score: "sigmoid",
    normalizesWeights: p.norm_topk_prob!,
    normEpsilon: 1e-20,
    scale: p.routed_scaling_factor!,
    groups: { numGroups: p.n_group!, numKept: p.topk_group!, score: "two-best" },
  }),
  "glm4-moe": (topK, p) => ({
    kind: "top-k",
    topK,
    score: "sigmoid",
    normalizesWeights: p.norm_topk_prob!,
    normEpsilon: 1e-20,
    scale: p.routed_scaling_factor!,
    groups: { numGroups: p.n_group!, numKept: p.topk_group!, score: "two-best" },
  }),
  "ernie4_5-moe": (topK) => ({ kind: "top-k", topK, score: "softmax", normalizesWeights: true }),
  "lfm2-moe": (topK, p) => ({
    kind: "top-k",
    topK,
    score: "sigmoid",
    normalizesWeights: p.norm_topk_prob!,
    normEpsilon: 1e-6,
    scale: p.routed_scaling_factor!,
  }),
  llama4: (topK) => ({ kind: "top-k", topK, score: "sigmoid", normalizesWeights: false, choosesByLogits: true }),
  "phimoe-sparsemixer": (_, p) => ({ kind: "sparsemixer", topK: 2, jitterEpsilon: p.jitter_eps! }),
}

function run(logits: number[][], config: RouterConfig, options: RouteOptions = {}): Routing {
  const numExperts = logits[0]?.length ?? 1
  const routing = createRouting(logits.length, config.topK)
  return route(
    routing,
    Float32Array.from(logits.flat()),
    logits.length,
    config,
    createRouteScratch(numExperts),
    options,
  )
}

describe("route: every published router", () => {
  const names = readdirSync(fixturePath("routers")).map((file) => file.replace(".json", ""))

  test("each fixture has a description, and none is left over", () => {
    expect(names.sort()).toEqual(Object.keys(CONFIGS).sort())
  })

  for (const name of names) {
    const fixture = readFixtureJson<Fixture>(fixturePath("routers", `${name}.json`))
    for (const [kind, cases] of [
      ["cases", fixture.cases],
      ["ties", fixture.ties.cases],
    ] as const) {
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
const PHIMOE: RouterConfig = { kind: "sparsemixer", topK: 2, jitterEpsilon: 0.01 }
/** A row whose routings are worked out by hand for every published router. */
const GOLDEN = [2, 1, 0.5, -0.5, 1.5, 0, -1, 0.25]
const logitsArb = (numExperts: number) =>
  fc.array(fc.array(fc.float({ min: -20, max: 20, noNaN: true }), { minLength: numExperts, maxLength: numExperts }), {
    minLength: 1,
    maxLength: 12,
  })

describe("route: properties", () => {
  test("a masked expert equals a model without it", () => {
    fc.assert(
      fc.property(logitsArb(6), fc.integer({ min: 0, max: 5 }), fc.boolean(), (logits, masked, normalizesWeights) => {
        const config = { ...MIXTRAL, normalizesWeights } as const
        const availability = Uint8Array.from({ length: 6 }, (_, e) => (e === masked ? 0 : 1))
        const with_ = run(logits, config, { availability })
        const without = run(
          logits.map((row) => row.filter((_, e) => e !== masked)),
          config,
        )
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
        const pairs = (r: Routing) =>
          Array.from({ length: logits.length }, (_, t) => [
            r.expertIds[2 * t],
            r.expertIds[2 * t + 1],
            r.weights[2 * t],
          ])
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

  test("temperature never changes the choice, not even of sigmoids that saturate or are biased", () => {
    const options = { selectionBias: Float32Array.of(0.001, 0, 0, 0) }
    for (const score of ["softmax", "sigmoid"] as const) {
      for (const chosenBy of [{}, options]) {
        const config = { ...MIXTRAL, score } as const
        const row = [[4, 4.5, 5, 5.5]]
        const asTrained = run(row, config, chosenBy)
        for (const temperature of [0.01, 0.1, 10]) {
          expect(run(row, { ...config, temperature }, chosenBy).expertIds).toEqual(asTrained.expertIds)
        }
      }
    }
  })

  test("overflow goes to the next best expert with room, and earlier tokens win", () => {
    const logits = [
      [1, 0, -1, 0.5],
      [0.2, 1.2, 0, -0.3],
      [2, 1, 0, -1],
      [0, 0.5, 1.5, 1],
    ]
    expect([...run(logits, MIXTRAL).expertIds]).toEqual([0, 3, 1, 0, 0, 1, 2, 3])
    expect([...run(logits, MIXTRAL, { capacity: 2 }).expertIds]).toEqual([0, 3, 1, 0, 1, 2, 2, 3])
    expect([...run(logits, MIXTRAL, { capacity: 1 }).expertIds]).toEqual([0, 3, 1, 2, -1, -1, -1, -1])
  })

  test("weights of a rerouted token sum to 1 where the router normalises", () => {
    const { weights } = run(
      [
        [9, 1, 0, 0],
        [9, 1, 0, 0],
      ],
      MIXTRAL,
      { capacity: 1 },
    )
    expect(weights[2]! + weights[3]!).toBeCloseTo(1, 6)
  })

  test("rerouted weights do not underflow, however far the chosen are from the best", () => {
    const { expertIds, weights } = run(
      [
        [0, 0],
        [2000, 0],
      ],
      { ...MIXTRAL, temperature: 0.1 },
      { selectionBias: new Float32Array(2), capacity: 1 },
    )
    expect([...expertIds]).toEqual([0, 1, -1, -1])
    const far = run(
      [
        [2000, 1, 0],
        [2000, 1, 0],
      ],
      MIXTRAL,
      { capacity: 1 },
    )
    expect([...far.expertIds]).toEqual([0, 1, 2, -1])
    expect([...far.weights]).toEqual([1, 0, 1, 0])
    expect([...weights]).toEqual([0.5, 0.5, 0, 0])
  })

  test("groups keep more than they should rather than drop a token that a failed expert left", () => {
    const groups = { numGroups: 2, numKept: 1, score: "best" } as const
    const logits = [[4, 3, 2, 1]]
    expect([...run(logits, { ...MIXTRAL, groups }).expertIds]).toEqual([0, 1])
    expect([...run(logits, { ...MIXTRAL, groups }, { availability: Uint8Array.of(0, 1, 1, 1) }).expertIds]).toEqual([
      1, 2,
    ])
    expect([...run(logits, { ...MIXTRAL, groups }, { availability: Uint8Array.of(0, 0, 1, 1) }).expertIds]).toEqual([
      2, 3,
    ])
  })

  test("a group worth its two best is worth their probabilities, not their logits", () => {
    const groups = { numGroups: 2, numKept: 1, score: "two-best" } as const
    expect([...run([[3, -10, 2, 1]], { ...MIXTRAL, groups }).expertIds]).toEqual([0, 1])
  })

  test("capacity counts one call: the next one begins with empty experts", () => {
    const [out, scratch] = [createRouting(1, 2), createRouteScratch(2)]
    for (let call = 0; call < 2; call++) {
      route(out, Float32Array.of(2, 1), 1, MIXTRAL, scratch, { capacity: 1 })
      expect([...out.expertIds]).toEqual([0, 1])
    }
  })

  test("an excluded group is -Infinity, not 0: negative biases do not let it win", () => {
    const config: RouterConfig = {
      kind: "top-k",
      topK: 2,
      score: "sigmoid",
      normalizesWeights: true,
      groups: { numGroups: 4, numKept: 1, score: "two-best" },
    }
    const selectionBias = new Float32Array(8).fill(-1.2)
    expect([...run([GOLDEN], config, { selectionBias }).expertIds]).toEqual([0, 1])
  })

  test("the logit of an unavailable expert is never read", () => {
    for (const config of [MIXTRAL, PHIMOE]) {
      const routing = run([[1, Number.NaN, 2]], config, { availability: Uint8Array.of(1, 0, 1) })
      const without = run([[1, 2]], config)
      expect([...routing.expertIds]).toEqual([2, 0])
      expectClose(routing.weights, without.weights, 1e-6)
    }
  })

  test("with no expert left every assignment is dropped", () => {
    const { expertIds, weights } = run([[1, 2]], MIXTRAL, { availability: Uint8Array.of(0, 0) })
    expect([[...expertIds], [...weights]]).toEqual([
      [-1, -1],
      [0, 0],
    ])
  })

  test("a row that is not finite is named", () => {
    expect(() =>
      run(
        [
          [1, 2],
          [Number.NaN, 0],
        ],
        MIXTRAL,
      ),
    ).toThrow("token 1, expert 0")
  })

  test("a routing of another topK, or too short, is refused", () => {
    const scratch = createRouteScratch(4)
    expect(() => route(createRouting(1, 3), new Float32Array(4), 1, MIXTRAL, scratch)).toThrow(
      "expected a routing of topK 2, found 3",
    )
    expect(() => route(createRouting(1, 2), new Float32Array(8), 2, MIXTRAL, scratch)).toThrow(
      "expected room for 2 tokens",
    )
  })
})

describe("route: golden values", () => {
  const bias = Float32Array.of(-0.3, 0, 0.2, 0.1, -0.25, 0.05, 0.3, 0)
  const olmoe: RouterConfig = { ...MIXTRAL, normalizesWeights: false }
  const v3: RouterConfig = {
    kind: "top-k",
    topK: 2,
    score: "sigmoid",
    normalizesWeights: true,
    normEpsilon: 1e-20,
    scale: 2.5,
  }
  const fourGroups = (score: "best" | "two-best") => ({ numGroups: 4, numKept: 2, score })
  const llama4: RouterConfig = {
    kind: "top-k",
    topK: 1,
    score: "sigmoid",
    normalizesWeights: false,
    choosesByLogits: true,
  }
  const table: readonly (readonly [string, RouterConfig, RouteOptions, number[], number[]])[] = [
    ["Mixtral", MIXTRAL, {}, [0, 4], [0.622459, 0.377541]],
    ["OLMoE", olmoe, {}, [0, 4], [0.379, 0.229875]],
    ["DeepSeek-V3", v3, { selectionBias: bias }, [2, 1], [1.149706, 1.350294]],
    ["LFM2", { ...v3, normEpsilon: 1e-6, scale: 1 }, { selectionBias: bias }, [2, 1], [0.459882, 0.540117]],
    [
      "DeepSeek-V3, groups",
      { ...v3, groups: fourGroups("two-best") },
      { selectionBias: bias },
      [2, 1],
      [1.149706, 1.350294],
    ],
    ["DeepSeek-V2, groups", { ...olmoe, groups: fourGroups("best") }, {}, [0, 4], [0.379, 0.229875]],
    ["Llama 4", llama4, {}, [0], [0.880797]],
    ["PhiMoE", PHIMOE, {}, [0, 4], [1, 1]],
    ["PhiMoE, wide", { ...PHIMOE, jitterEpsilon: 0.2 }, {}, [0, 4], [0.622459, 0.622459]],
  ]
  for (const [name, config, options, ids, weights] of table) {
    test(name, () => {
      const routing = run([GOLDEN], config, options)
      expect([...routing.expertIds]).toEqual(ids)
      expectClose(routing.weights, weights, 1e-6)
    })
  }

  test("PhiMoE: equal zeros share, and a best logit of zero weighs like any other", () => {
    expectClose(run([[0, 0, 0, 0]], PHIMOE).weights, [1 / 4, 1 / 3], 1e-6)
    expectClose(run([[0, -5, -6]], PHIMOE).weights, [1, 1], 1e-6)
  })
})
