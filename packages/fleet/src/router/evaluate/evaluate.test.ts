import { createRandom } from "@consilium/tensor"
import { expect, test } from "bun:test"
import fc from "fast-check"
import type { RouterExample } from "../examples/RouterExample.ts"
import { createCostRouter } from "../learned/createCostRouter.ts"
import { measureTradeOff } from "../learned/measureTradeOff.ts"
import { trainRouter } from "../learned/trainRouter.ts"
import { atRandom, bootstrapApgr, byOracle, costCurve, type RoutedOutcome } from "./costCurve.ts"
import { drawLines } from "./drawLines.ts"
import { costLines, judgeOutcomes, outcomesOf } from "./judgeCostRouter.ts"
import { judgeRouter } from "./judgeRouter.ts"
import { unseenBy } from "./unseenBy.ts"

const outcome = fc.record({
  gain: fc.double({ min: -1, max: 1, noNaN: true }),
  cheapRight: fc.constantFrom(0, 1),
  strongRight: fc.constantFrom(0, 1),
})
const hasGap = (outcomes: readonly RoutedOutcome[]): boolean =>
  outcomes.reduce((sum, { cheapRight, strongRight }) => sum + strongRight - cheapRight, 0) > 0

test("cost curve: four requests by hand", () => {
  const outcomes = [
    { gain: 0.9, cheapRight: 0, strongRight: 1 },
    { gain: 0.5, cheapRight: 1, strongRight: 1 },
    { gain: 0.1, cheapRight: 0, strongRight: 1 },
    { gain: -0.3, cheapRight: 1, strongRight: 0 },
  ]
  const { quality, apgr, cpt50, cpt80 } = costCurve(outcomes)
  // Right: 2 of 4 by the cheap one alone, then 3, 3, 4, and 3 by the strong one alone: parts closed 0, 1, 1, 2, 1.
  expect([0, 25, 50, 75, 100].map((share) => quality[share])).toEqual([0.5, 0.75, 0.75, 1, 0.75])
  expect(apgr).toBeCloseTo((1 + 1 + 2 + 1 / 2) / 4, 2)
  expect(cpt50).toBeCloseTo(0.125, 5)
  expect(cpt80).toBeCloseTo(0.2, 5)
})

test("cost curve: chance is the diagonal, and nobody is above the oracle", () => {
  fc.assert(
    fc.property(fc.array(outcome, { minLength: 2, maxLength: 40 }), (outcomes) => {
      fc.pre(hasGap(outcomes))
      const random = costCurve(atRandom(outcomes))
      expect(random.apgr).toBeCloseTo(0.5, 5)
      expect(random.cpt50).toBeCloseTo(0.5, 5)
      expect(random.cpt80).toBeCloseTo(0.8, 5)
      const best = costCurve(byOracle(outcomes))
      for (const [share, reached] of costCurve(outcomes).quality.entries())
        expect(reached).toBeLessThanOrEqual(best.quality[share]! + 1e-9)
    }),
  )
})

test("bootstrap: the interval holds the APGR, and is the same for the same seed", () => {
  const random = createRandom(2)
  const outcomes = Array.from({ length: 300 }, () => {
    const strongRight = Number(random() < 0.8)
    return { gain: random() + 0.3 * strongRight, cheapRight: Number(random() < 0.5), strongRight }
  })
  const { apgr } = costCurve(outcomes)
  const [low, high] = bootstrapApgr(outcomes, 200, 5)
  expect(low).toBeLessThan(apgr)
  expect(high).toBeGreaterThan(apgr)
  expect(bootstrapApgr(outcomes, 200, 5)).toEqual([low, high])
})

/** Easy questions are about cats, hard ones about tensors: the cheap expert fails there. */
function hardAndEasy(count: number): RouterExample[] {
  const random = createRandom(8)
  return Array.from({ length: count }, () => {
    const isHard = random() < 0.4
    const text = `question ${random().toString(36)} about ${isHard ? "tensors and manifolds" : "cats and dogs"}`
    return {
      request: { text, numImages: 0, hasTools: false },
      targets: Float32Array.of(Number(random() < (isHard ? 0.2 : 0.9)), Number(random() < 0.9)),
    }
  })
}

test("cost router: learns which requests the cheap expert suffices for, and shares out as it is asked", () => {
  const router = createCostRouter(
    trainRouter(hardAndEasy(2000), { experts: ["small", "large"], task: "cost-quality", model: "linear", seed: 1 }),
  )
  const ask = (text: string) => ({ text, numImages: 0, hasTools: false })
  const [easy, hard] = [ask("about cats and dogs"), ask("about tensors and manifolds")]
  expect(router.score(easy)[0]).toBeGreaterThan(0.75)
  expect(router.score(hard)[0]).toBeLessThan(0.45)
  expect(router.gain(hard)).toBeGreaterThan(router.gain(easy))

  const examples = hardAndEasy(2400).slice(2000)
  const { rows, apgrInterval } = judgeOutcomes(outcomesOf(router, examples), examples, 1)
  expect(rows.map(({ name }) => name)).toEqual(["router", "random", "oracle", "longer to the strong"])
  expect(apgrInterval[0]).toBeGreaterThan(0.5)
  for (const share of [0.2, 0.4, 0.7]) {
    const threshold = router.thresholdForShare(share)
    const numStrong = examples.filter(({ request }) => router.gain(request) >= threshold).length
    expect(Math.abs(numStrong / examples.length - share)).toBeLessThan(0.12)
  }
  expect(router.shareForQuality(0)).toBe(0)
  expect(router.shareForQuality(0.8)).toBeGreaterThan(0)
  expect(router.shareForQuality(0.8)).toBeLessThan(0.8)
  expect(unseenBy(router.weights, hardAndEasy(2400))).toHaveLength(400)
})

test("trade-off: thresholds fall from nobody to everybody as the share rises", () => {
  const logits = [0.3, -0.2, 1.4, 0.9].map((strong) => Float32Array.of(0, strong))
  const examples = [0, 1, 1, 0].map((right) => ({ targets: Float32Array.of(1 - right, right) }))
  const { thresholds, quality } = measureTradeOff(logits, examples, 1)
  expect([thresholds[0], thresholds[100]]).toEqual([1, -1])
  expect(thresholds.every((value, share) => share === 0 || value <= thresholds[share - 1]!)).toBe(true)
  expect([quality[0], quality[25], quality[50], quality[100]]).toEqual([0.5, 0.75, 0.5, 0.5])
})

test("judgement: accuracy, the worst pairs and calibration of four requests by hand", () => {
  const scores = [
    [0.95, 0.05],
    [0.85, 0.15],
    [0.25, 0.75],
    [0.65, 0.35],
  ]
  const router = {
    experts: ["a", "b"],
    score: ({ text }: { text: string }) => Float32Array.from(scores[Number(text)]!),
  }
  const examples = [0, 1, 1, 1].map((right, i) => ({
    request: { text: String(i), numImages: 0, hasTools: false },
    targets: Float32Array.of(1 - right, right),
  }))
  const judged = judgeRouter(router, examples)
  expect(judged.accuracy).toBe(0.5)
  expect(judged.topThree).toBe(1)
  expect(judged.confusions).toEqual([{ truth: "b", chosen: "a", count: 2 }])
  expect(judged.calibrationError).toBeCloseTo((0.05 + 0.85 + 0.25 + 0.65) / 4, 5)
  expect(judged.accuracyInterval[0]).toBeCloseTo(0.15, 2)
  expect(judged.accuracyInterval[1]).toBeCloseTo(0.85, 2)
})

test("plot: a line for each, names escaped, no coordinate that is not a number", () => {
  const examples = hardAndEasy(40)
  const outcomes = examples.map(({ targets }, i) => ({ gain: i, cheapRight: targets[0]!, strongRight: targets[1]! }))
  const lines = [...costLines(judgeOutcomes(outcomes, examples, 1)), { name: "a < b", points: [[0, 0.5]] as const }]
  const svg = drawLines({ title: "quality & cost", xLabel: "share", yLabel: "right", yRange: [0, 1], lines })
  expect(svg.match(/stroke-width="2"/g)).toHaveLength(5)
  expect(svg).toContain("a &lt; b")
  expect(svg).toContain("<title>quality &amp; cost</title>")
  expect(svg).not.toMatch(/NaN|Infinity|undefined/)
})
