import { expect, test } from "bun:test"
import fc from "fast-check"
import { BANK_EXPERTS, bankExamples } from "../../../test/bankExamples.ts"
import { createLearnedRouter } from "../learned/createLearnedRouter.ts"
import type { ReadRequest } from "../learned/createScorer.ts"
import { trainRouter } from "../learned/trainRouter.ts"
import type { RoutedRequest } from "../RequestRouter.ts"
import { createCorrectedRouter, learn, normOf } from "./learn.ts"

const trained = createLearnedRouter(
  trainRouter(bankExamples(), { experts: BANK_EXPERTS, task: "choose", model: "linear", seed: 3 }),
)
const requestOf = (text: string): RoutedRequest => ({ text, numImages: 0, hasTools: false })
const readOf = (text: string): ReadRequest => trained.read(requestOf(text))
const TEXTS = bankExamples().map(({ request }) => request.text)
const feedback = fc.record({
  text: fc.constantFrom(...TEXTS),
  expert: fc.constantFrom(...BANK_EXPERTS),
  reward: fc.double({ min: -3, max: 3, noNaN: true }),
})
const bounds = fc.record({
  rate: fc.double({ min: 0, max: 20, noNaN: true }),
  maxStep: fc.double({ min: 0.01, max: 2, noNaN: true }),
  maxDistance: fc.double({ min: 0.01, max: 5, noNaN: true }),
  decay: fc.double({ min: 0, max: 0.5, noNaN: true }),
})

test("learn: no step is longer, and no correction farther from the trained weights, than the bounds", () => {
  fc.assert(
    fc.property(fc.array(feedback, { maxLength: 12 }), bounds, (given, limits) => {
      let router = createCorrectedRouter(trained)
      for (const { text, expert, reward } of given) {
        const before = router.correction.weight
        router = learn(router, readOf(text), expert, reward, limits)
        const after = router.correction.weight
        expect(normOf(after)).toBeLessThanOrEqual(limits.maxDistance * 1.0001)
        const step = after.map((value, i) => value - (1 - limits.decay) * before[i]!)
        // What the bound on the distance takes back only shortens it.
        if (normOf(after) < limits.maxDistance * 0.999) expect(normOf(step)).toBeLessThanOrEqual(limits.maxStep * 1.001)
      }
    }),
    { numRuns: 60 },
  )
})

test("learn: pure and deterministic", () => {
  fc.assert(
    fc.property(fc.array(feedback, { minLength: 1, maxLength: 5 }), (given) => {
      const run = () =>
        given.reduce((router, { text, expert, reward }) => learn(router, readOf(text), expert, reward), start)
      const start = createCorrectedRouter(trained)
      expect(run().correction).toEqual(run().correction)
      expect(normOf(start.correction.weight)).toBe(0)
    }),
    { numRuns: 20 },
  )
})

test("learn: without feedback a router scores as trained", () => {
  const router = createCorrectedRouter(trained)
  for (const text of TEXTS) {
    const scores = trained.score(requestOf(text))
    for (const [e, score] of router.score(requestOf(text)).entries()) expect(score).toBeCloseTo(scores[e]!, 6)
  }
})

test("learn: a reward raises the chosen expert's score for requests like it, a penalty lowers it", () => {
  const asked = readOf("Can I pay in installments?")
  const place = BANK_EXPERTS.indexOf("loans")
  const before = createCorrectedRouter(trained)
  let praised = before
  let blamed = before
  for (let i = 0; i < 20; i++) {
    praised = learn(praised, asked, "loans", 1)
    blamed = learn(blamed, asked, "loans", -1)
  }
  const like = requestOf("paying by installments, can I?")
  expect(praised.score(like)[place]).toBeGreaterThan(before.score(like)[place]! + 0.1)
  expect(blamed.score(like)[place]).toBeLessThan(before.score(like)[place]! - 0.1)
})

test("learn: what nobody confirms is forgotten", () => {
  const limits = { rate: 0.5, maxStep: 0.5, maxDistance: 10, decay: 0.1 }
  let router = learn(createCorrectedRouter(trained), readOf("hello"), "loans", 1, limits)
  const first = normOf(router.correction.weight)
  for (let i = 0; i < 50; i++) router = learn(router, readOf("hello"), "loans", 0, limits)
  expect(normOf(router.correction.weight)).toBeLessThan(first / 100)
})

test("learn: an unknown expert, a reward that is no number and a correction of another router are refused", () => {
  const router = createCorrectedRouter(trained)
  expect(() => learn(router, readOf("x"), "legal", 1)).toThrow('expected one of cards, loans, exchange, found "legal"')
  expect(() => learn(router, readOf("x"), "loans", Number.NaN)).toThrow("expected a reward from -1 to 1, found NaN")
  expect(() => createCorrectedRouter(trained, new Float32Array(5))).toThrow("finite numbers, found one of 5")
})
