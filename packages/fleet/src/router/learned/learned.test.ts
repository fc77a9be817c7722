import { createRouteScratch, createRouting, route } from "@consilium/gating"
import { createRandom } from "@consilium/tensor"
import { expect, test } from "bun:test"
import fc from "fast-check"
import { BANK_EXPERTS, bankExamples } from "../../../test/bankExamples.ts"
import { NUM_TASKS } from "../RequestRouter.ts"
import { createLearnedRouter } from "./createLearnedRouter.ts"
import { fitTemperature, meanLoss } from "./fitTemperature.ts"
import { createRouterScratch, requestLogits, requestLogitsPlain } from "./requestLogits.ts"
import { scoresOf } from "./scoresOf.ts"
import type { RouterLayers } from "./RouterWeights.ts"
import { joinLayers, trainLayers, type TrainingPlan } from "./trainLayers.ts"
import { type RouterTraining, trainRouter } from "./trainRouter.ts"

const PLAN: TrainingPlan = {
  output: "softmax",
  hiddenWidth: 5,
  epochs: 1,
  rate: 0.1,
  decay: 0,
  gramDropout: 0,
  smoothing: 0,
}
const SIZES = { numGrams: 6, numFeatures: 9, numExperts: 4 }
const training = (change: Partial<RouterTraining> = {}): RouterTraining => ({
  experts: BANK_EXPERTS,
  task: "choose",
  model: "linear",
  seed: 3,
  ...change,
})

/** Layers with random numbers everywhere, task embeddings too. */
function randomLayers(hiddenWidth: number, seed: number): RouterLayers {
  const layers = trainLayers([], SIZES, { ...PLAN, hiddenWidth }, seed)
  const random = createRandom(seed)
  const parts = [layers.bag, layers.bagBias, layers.head?.taskEmbedding, layers.head?.output.bias]
  for (const part of parts) for (let i = 0; i < (part?.length ?? 0); i++) part![i] = random() - 0.5
  return layers
}

const rows = fc
  .uniqueArray(fc.nat(SIZES.numFeatures - 1))
  .chain((ids) =>
    fc.tuple(
      fc.constant(ids),
      fc.array(fc.float({ min: -1, max: 1, noNaN: true }), { minLength: ids.length, maxLength: ids.length }),
    ),
  )
  .map(([ids, values]) => ({ ids: Int32Array.from(ids), values: Float32Array.from(values) }))

test("logits: by the features that a request has, the same as gating's routers by all of them", () => {
  fc.assert(
    fc.property(rows, fc.constantFrom(0, 5), fc.nat(NUM_TASKS - 1), fc.nat(50), (row, width, task, seed) => {
      const layers = randomLayers(width, seed)
      const sparse = new Float32Array(SIZES.numExperts)
      const plain = new Float32Array(SIZES.numExperts)
      requestLogits(sparse, row, task, layers, createRouterScratch(layers))
      requestLogitsPlain(plain, row, task, layers)
      for (const [e, logit] of plain.entries()) expect(sparse[e]).toBeCloseTo(logit, 5)
    }),
  )
})

test("joined routers: logits are the mean of theirs", () => {
  fc.assert(
    fc.property(rows, fc.constantFrom(0, 5), fc.nat(NUM_TASKS - 1), (row, width, task) => {
      const members = [1, 2, 3].map((seed) => randomLayers(width, seed))
      const logitsOf = (layers: RouterLayers): Float32Array => {
        const out = new Float32Array(SIZES.numExperts)
        requestLogits(out, row, task, layers, createRouterScratch(layers))
        return out
      }
      const joined = logitsOf(joinLayers(members, SIZES.numExperts))
      const each = members.map(logitsOf)
      for (const [e, logit] of joined.entries())
        expect(logit).toBeCloseTo((each[0]![e]! + each[1]![e]! + each[2]![e]!) / 3, 5)
    }),
  )
})

for (const output of ["softmax", "sigmoid"] as const) {
  for (const hiddenWidth of [0, 5]) {
    test(`training: a step goes down the loss's slope by central differences, ${output}, hidden width ${hiddenWidth}`, () => {
      const plan = { ...PLAN, output, hiddenWidth }
      const targets = output === "softmax" ? Float32Array.of(0, 1, 0, 0) : Float32Array.of(1, 1, 0, 0)
      const example = {
        row: { ids: Int32Array.of(0, 3, 8), values: Float32Array.of(0.7, -0.4, 0.5) },
        taskId: 0,
        targets,
      }
      const before = trainLayers([], SIZES, plan, 4)
      const after = trainLayers([example], SIZES, plan, 4)
      const lossAt = (): number => {
        const out = new Float32Array(SIZES.numExperts)
        requestLogitsPlain(out, example.row, 0, before)
        return meanLoss([out], [targets], output, 1)
      }
      const check = (was: Float32Array, is: Float32Array, rate: number): void => {
        for (let i = 0; i < was.length; i++) {
          const value = was[i]!
          const [up, down] = [1, -1].map((sign) => {
            was[i] = value + sign * 1e-3
            return lossAt()
          })
          was[i] = value
          expect(value - is[i]!).toBeCloseTo((rate * (up! - down!)) / 2e-3, 3)
        }
      }
      const split = SIZES.numGrams * before.bagBias.length
      check(before.bag.subarray(0, split), after.bag.subarray(0, split), 0.1)
      check(before.bag.subarray(split), after.bag.subarray(split), 0.01)
      check(before.bagBias, after.bagBias, 0.01)
      if (before.head === undefined) return
      check(before.head.output.weight, after.head!.output.weight, 0.01)
      check(before.head.output.bias, after.head!.output.bias, 0.01)
    })
  }
}

for (const model of ["linear", "mlp"] as const) {
  test(`${model}: learns three experts in two languages, and the same examples give the same router`, () => {
    const weights = trainRouter(bankExamples(), training({ model }))
    const router = createLearnedRouter(weights)
    const best = (text: string): string => {
      const scores = router.score({ text, numImages: 0, hasTools: false })
      expect(scores.reduce((sum, score) => sum + score, 0)).toBeCloseTo(1, 5)
      return router.experts[scores.indexOf(Math.max(...scores))]!
    }
    expect(best("Somebody has stolen my cards")).toBe("cards")
    expect(best("mortgage for a new house")).toBe("loans")
    expect(best("我的信用卡丢了")).toBe("cards")
    expect(best("人民币汇率")).toBe("exchange")
    expect(trainRouter(bankExamples(), training({ model })).bag).toEqual(weights.bag)
  }, 20_000)
}

test("explain: names the expert, its probability and the words that speak for it", () => {
  const router = createLearnedRouter(trainRouter(bankExamples(), training()))
  const text = router.explain!({ text: "the mortgage", numImages: 0, hasTools: false })
  expect(text).toMatch(/^loans \d+ %, above all for "mortgage"/)
})

test("route: gating chooses among experts by a router's logits, with the router's own scores as weights", () => {
  const router = createLearnedRouter(trainRouter(bankExamples(), training()))
  const request = { text: "exchange dollars", numImages: 0, hasTools: false }
  const scores = router.score(request)
  const config = { kind: "top-k", topK: 2, score: "softmax", normalizesWeights: false } as const
  const options = { availability: Uint8Array.of(1, 1, 1) }
  const { expertIds, weights } = route(
    createRouting(1, 2),
    router.logits(router.read(request)),
    1,
    config,
    createRouteScratch(3),
    options,
  )
  expect(BANK_EXPERTS[expertIds[0]!]).toBe("exchange")
  for (const [k, e] of expertIds.entries()) expect(weights[k]).toBeCloseTo(scores[e]!, 6)
})

test("task types: a router tells requests apart by their form where the examples differ in it alone", () => {
  const examples = Array.from({ length: 60 }, (_, i) => ({
    request: { text: `please do number ${i >> 1}`, numImages: 0, hasTools: i % 2 === 0 },
    targets: Float32Array.of(i % 2, 1 - (i % 2)),
  }))
  const router = createLearnedRouter(trainRouter(examples, training({ experts: ["chat", "agent"], model: "mlp" })))
  const score = (hasTools: boolean): Float32Array =>
    router.score({ text: "please do number 7", numImages: 0, hasTools })
  expect(score(true)[1]).toBeGreaterThan(0.6)
  expect(score(false)[0]).toBeGreaterThan(0.6)
}, 20_000)

test("embeddings: a router that was trained with them tells texts apart by nothing else", () => {
  const random = createRandom(5)
  const examples = Array.from({ length: 80 }, (_, i) => ({
    request: {
      text: "the same words",
      numImages: 0,
      hasTools: false,
      embedding: Float32Array.of(i % 2 ? 1 : -1, random(), random()),
    },
    targets: Float32Array.of(i % 2, 1 - (i % 2)),
  }))
  const router = createLearnedRouter(trainRouter(examples, training({ experts: ["a", "b"] })))
  expect(router.embeddingSize).toBe(3)
  const score = (first: number): Float32Array =>
    router.score({ text: "the same words", numImages: 0, hasTools: false, embedding: Float32Array.of(first, 0.5, 0.5) })
  expect(score(1)[0]).toBeGreaterThan(0.8)
  expect(score(-1)[1]).toBeGreaterThan(0.8)
  expect(() => router.score({ text: "x", numImages: 0, hasTools: false })).toThrow("expected an embedding of 3 values")
})

test("temperature: finds the one that logits were multiplied by", () => {
  const random = createRandom(9)
  const logits = Array.from({ length: 4000 }, () => Float32Array.from({ length: 3 }, () => 3 * (random() - 0.5)))
  const targets = logits.map((row) => {
    const scores = scoresOf(row, "softmax", 1)
    let draw = random()
    const drawn = scores.findIndex((score) => (draw -= score) < 0)
    return Float32Array.from(scores, (_, e) => Number(e === drawn))
  })
  const sharper = logits.map((row) => row.map((logit) => 2.5 * logit))
  expect(fitTemperature(sharper, targets, "softmax")).toBeCloseTo(2.5, 0)
  expect(fitTemperature(logits, targets, "softmax")).toBeCloseTo(1, 0)
})

test("training: what cannot be is refused", () => {
  const train =
    (change: Partial<RouterTraining>, examples = bankExamples()) =>
    () =>
      trainRouter(examples, training(change))
  expect(train({ experts: ["one"] })).toThrow("expected two experts or more to choose from, found 1")
  expect(train({ task: "cost-quality" })).toThrow("expected two experts, a cheap one and a strong one, found 3")
  expect(train({}, [])).toThrow("expected examples to learn from, found none")
  expect(train({ experts: ["a", "b"] })).toThrow("example 1: expected 2 targets, one for each expert, found 3")
})
