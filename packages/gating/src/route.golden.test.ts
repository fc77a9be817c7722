import { describe, expect, test } from "bun:test"
import { expectClose, fixturePath, readFixtureJson } from "@consilium/testing"
import { readdirSync } from "node:fs"
import { GOLDEN, MIXTRAL, PHIMOE, routeLogits } from "../test/routeLogits.ts"
import type { RouteOptions, RouterConfig } from "./index.ts"

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
          const routing = routeLogits(
            logits,
            config,
            bias === undefined ? {} : { selectionBias: Float32Array.from(bias) },
          )
          expect([...routing.expertIds]).toEqual(expertIds.flat())
          expectClose(routing.weights, weights.flat(), 1e-7, { relative: 1e-5, name })
        }
      })
    }
  }
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
      const routing = routeLogits([GOLDEN], config, options)
      expect([...routing.expertIds]).toEqual(ids)
      expectClose(routing.weights, weights, 1e-6)
    })
  }

  test("PhiMoE: equal zeros share, and a best logit of zero weighs like any other", () => {
    expectClose(routeLogits([[0, 0, 0, 0]], PHIMOE).weights, [1 / 4, 1 / 3], 1e-6)
    expectClose(routeLogits([[0, -5, -6]], PHIMOE).weights, [1, 1], 1e-6)
  })
})
