import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { denseModel, hardware, load, modelShape } from "../../test/arbitraries.ts"
import { estimateServing } from "./estimateServing.ts"
import { estimateTraining, paybackMonths } from "./estimateTraining.ts"
import { fitTokenTime } from "./fitTokenTime.ts"
import { costPerMillionTokens, joulesPerToken } from "./Hardware.ts"
import {
  activeParameters,
  denseOfSameSize,
  expertsTouched,
  type ModelShape,
  residentBytes,
  totalParameters,
  weightBytesPerStep,
} from "./ModelShape.ts"

const shape = (numExperts: number, topK: number): ModelShape => ({
  numSharedParameters: 1e9,
  numLookupParameters: 0,
  numExpertParameters: 1e6,
  numMoeLayers: 10,
  numExperts,
  topK,
  sharedBytesPerWeight: 1,
  expertBytesPerWeight: 0.5,
})

describe("expertsTouched", () => {
  test("is what was computed by hand for 2 of 20 and 8 of 128", () => {
    const touched = (numExperts: number, topK: number): number[] =>
      [1, 4, 16, 64].map((rows) => expertsTouched(shape(numExperts, topK), rows))
    expect(touched(20, 2).map((value) => value.toFixed(1))).toEqual(["2.0", "6.9", "16.3", "20.0"])
    expect(touched(128, 8).map((value) => value.toFixed(0))).toEqual(["8", "29", "82", "126"])
  })

  test("lies between k and N, and grows with the rows", () => {
    fc.assert(
      fc.property(modelShape, fc.integer({ min: 1, max: 512 }), (model, rows) => {
        const touched = expertsTouched(model, rows)
        expect(touched).toBeGreaterThanOrEqual(model.topK * (1 - 1e-12))
        expect(touched).toBeLessThanOrEqual(model.numExperts)
        expect(expertsTouched(model, rows + 1)).toBeGreaterThanOrEqual(touched)
      }),
    )
  })
})

describe("estimateServing", () => {
  test("is what a hand computes: 10 GB at 100 GB/s, 4 of 10 MB from a disk of 1 GB/s", () => {
    const estimate = estimateServing(
      { ...shape(8, 2), numSharedParameters: 10e9 - 10e6, numExpertParameters: 1e6, expertBytesPerWeight: 0.5 },
      {
        usdPerHour: 3.6,
        powerWatts: 500,
        pue: 1.2,
        usdPerKWh: 0.1,
        memoryBytesPerSec: 100e9,
        flopsPerSec: 1e15,
        diskBytesPerSec: 1e9,
      },
      { numRows: 1, hitRate: 0.6, fixedMs: 96, utilisation: 0.5 },
    )
    // 9.99 GB shared, and 10 layers · 2 experts · 0.5 MB = 10 MB of experts, of which 4 MB sleep.
    expect(estimate.weightBytesPerStep).toBeCloseTo(10e9, 0)
    expect(estimate.memoryMs).toBeCloseTo(100, 6)
    expect(estimate.missMs).toBeCloseTo(4, 6)
    expect(estimate.stepMs).toBeCloseTo(200, 6)
    expect(estimate.tokensPerSec).toBeCloseTo(5, 6)
    expect(estimate.joulesPerToken).toBeCloseTo(100, 6)
    // (3.6 + 0.5 · 1.2 · 0.1) $/h over 18,000 tokens an hour, half of the time.
    expect(estimate.usdPerMillionTokens).toBeCloseTo((3.66 / 18_000 / 0.5) * 1e6, 6)
  })

  test("a dense model is a MoE with N = k", () => {
    fc.assert(
      fc.property(modelShape, hardware, load, (model, machine, use) => {
        const asMoe = estimateServing(denseOfSameSize(model), machine, { ...use, hitRate: 1 })
        const dense = estimateServing(denseModel(model), machine, { ...use, hitRate: 1 })
        expect(totalParameters(denseModel(model))).toBe(totalParameters(model))
        expect(Math.abs(asMoe.usdPerMillionTokens / dense.usdPerMillionTokens - 1)).toBeLessThan(1e-9)
        expect(Math.abs(asMoe.stepMs / dense.stepMs - 1)).toBeLessThan(1e-9)
      }),
    )
  })

  test("a token costs less the better the machine is used, and the more experts are awake", () => {
    fc.assert(
      fc.property(modelShape, hardware, load, (model, machine, use) => {
        const usd = (change: Partial<typeof use>): number =>
          estimateServing(model, machine, { ...use, ...change }).usdPerMillionTokens
        expect(Math.abs(usd({ utilisation: use.utilisation / 2 }) / usd({}) - 2)).toBeLessThan(1e-9)
        expect(usd({ hitRate: use.hitRate / 2 })).toBeGreaterThanOrEqual(usd({}))
        expect(usd({ fixedMs: use.fixedMs + 1 })).toBeGreaterThan(usd({}))
      }),
    )
  })

  test("experts never cost more than the dense model of the same size", () => {
    fc.assert(
      fc.property(modelShape, hardware, load, (model, machine, use) => {
        const moe = estimateServing(model, machine, use)
        const dense = estimateServing(denseOfSameSize(model), machine, use)
        expect(moe.stepMs).toBeLessThanOrEqual(dense.stepMs * (1 + 1e-12))
        expect(moe.joulesPerToken).toBeLessThanOrEqual(dense.joulesPerToken * (1 + 1e-12))
      }),
    )
  })
})

describe("weights", () => {
  test("with all experts awake a MoE takes what the dense model does", () => {
    fc.assert(
      fc.property(modelShape, (model) => {
        expect(residentBytes(model)).toBe(residentBytes(denseOfSameSize(model)))
        const lookupBytes = model.numLookupParameters * model.sharedBytesPerWeight
        expect(weightBytesPerStep(denseOfSameSize(model), 1)).toBe(residentBytes(model) - lookupBytes)
        expect(activeParameters(denseOfSameSize(model))).toBe(totalParameters(model) - model.numLookupParameters)
      }),
    )
  })
})

describe("costPerMillionTokens", () => {
  test("10,000 a month of 720 hours at 10 tok/s is 386", () => {
    expect(costPerMillionTokens(10_000 / 720, 10, 1)).toBeCloseTo(385.8, 1)
    expect(joulesPerToken(100, 10)).toBe(10)
  })
})

describe("estimateTraining", () => {
  test("6 · P · D: a billion active weights, 20 billion tokens, 40 % of 100 Tflop/s is 833 hours", () => {
    const machine = {
      usdPerHour: 2,
      powerWatts: 700,
      pue: 1,
      usdPerKWh: 0.1,
      memoryBytesPerSec: 1,
      flopsPerSec: 100e12,
      diskBytesPerSec: 1,
    }
    const { flops, hours, kWh, usd } = estimateTraining({ ...shape(8, 2), numSharedParameters: 1e9 - 20e6 }, machine, {
      numTokens: 20e9,
      mfu: 0.4,
    })
    expect(flops).toBeCloseTo(1.2e20, -6)
    expect(hours).toBeCloseTo(833.33, 2)
    expect(kWh).toBeCloseTo(583.33, 2)
    expect(usd).toBeCloseTo(833.33 * 2.07, 1)
  })

  test("costs of two runs add up", () => {
    fc.assert(
      fc.property(
        modelShape,
        hardware,
        fc.integer({ min: 1, max: 1e9 }),
        fc.integer({ min: 1, max: 1e9 }),
        (m, h, a, b) => {
          const usd = (numTokens: number): number => estimateTraining(m, h, { numTokens, mfu: 0.5 }).usd
          expect(Math.abs((usd(a) + usd(b)) / usd(a + b) - 1)).toBeLessThan(1e-9)
        },
      ),
    )
  })

  test("what saves nothing never pays back", () => {
    expect(paybackMonths(24_000, 8000)).toBe(3)
    expect(paybackMonths(1, 0)).toBe(Number.POSITIVE_INFINITY)
  })
})

describe("fitTokenTime", () => {
  test("finds the line that points lie on, and refuses points of one size", () => {
    const { fixedMs, msPerUnit } = fitTokenTime([1, 2, 5].map((size) => ({ size, ms: 3 + 2 * size })))
    expect([fixedMs, msPerUnit]).toEqual([expect.closeTo(3, 9), expect.closeTo(2, 9)])
    expect(() => fitTokenTime([{ size: 1, ms: 1 }])).toThrow("two sizes")
  })
})
