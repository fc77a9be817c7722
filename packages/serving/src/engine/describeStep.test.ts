import { describe, expect, test } from "bun:test"
import type { ModelConfig } from "@consilium/model"
import { countTokensPerExpert, describeStep } from "./describeStep.ts"

const step = {
  type: "done",
  events: [],
  numRows: 144,
  numDecoding: 16,
  times: { planMs: 0.02, runMs: 44.6, kernelMs: 0, sampleMs: 0.31, applyMs: 0.01 },
} as const

describe("describeStep", () => {
  test("is one line: rows, experts, time and rate, and what passed outside the model, in parts", () => {
    expect(describeStep(step, { numSteps: 7, sendMs: 0.06, tokensPerExpert: Uint32Array.of(8, 0, 1, 4) })).toBe(
      "step 7: 16 decode + 128 prefill | [█ ▁▄] | 45.0 ms, 3200 tok/s | " +
        "fixed 0.40 ms = 0.9 % (plan 0.02, sample 0.31, apply 0.01, send 0.06)",
    )
  })

  test("where the backend counts its kernels, what passes around them is fixed cost too", () => {
    const counted = { ...step, times: { ...step.times, kernelMs: 43.1 } }
    expect(describeStep(counted, { numSteps: 7, sendMs: 0.06, tokensPerExpert: new Uint32Array() })).toContain(
      "fixed 1.90 ms = 4.2 % (plan 0.02, around kernels 1.50, sample 0.31, apply 0.01, send 0.06)",
    )
  })

  test("of many experts a cell shows a run of them, of none there is no bar", () => {
    const line = describeStep(step, { numSteps: 7, sendMs: 0, tokensPerExpert: new Uint32Array(128).fill(3) })
    expect(line).toContain(`[${"█".repeat(64)}]`)
    expect(describeStep(step, { numSteps: 7, sendMs: 0, tokensPerExpert: new Uint32Array() })).not.toContain("[")
  })
})

describe("countTokensPerExpert", () => {
  test("sums over the layers that route, and leaves out what was dropped", () => {
    const layers = [8, undefined, 4].map((numExperts) => ({
      feedForward: numExperts === undefined ? { kind: "dense" } : { kind: "moe", numExperts },
    }))
    const routing = (layer: number) =>
      layer === 1
        ? undefined
        : { numTokens: 2, topK: 2, expertIds: Int32Array.of(3, 0, 3, -1, 9, 9), weights: new Float32Array(6) }
    const counts = countTokensPerExpert({ config: { layers } as unknown as ModelConfig, routing })
    expect([...counts]).toEqual([2, 0, 0, 4, 0, 0, 0, 0])
  })
})
