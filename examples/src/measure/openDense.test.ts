import { expect, test } from "bun:test"
import { denseShape } from "./openDense.ts"

test("denseShape: has the wanted number of weights, to half a percent", () => {
  for (const wanted of [3 * 12_857_344, 4 * 12_857_344, 2e8]) {
    const { numParameters } = denseShape(wanted)
    expect(Math.abs(numParameters / wanted - 1)).toBeLessThan(0.005)
  }
})

test("denseShape: too few weights for its attention are an error that says how many it takes", () => {
  expect(() => denseShape(1e6)).toThrow(/a dense model of 1000000 weights: expected \d+ and more/)
})
