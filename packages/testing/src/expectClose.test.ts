import { expect, test } from "bun:test"
import { Clock, Effect } from "effect"
import { expectClose, maxError } from "./expectClose.ts"
import { itEffect } from "./itEffect.ts"

test("expectClose: names the first index that differs, and the worst", () => {
  expect(() => expectClose([1, 2, 3], [1, 2.5, 5], 0.1)).toThrow("index 1 is 2, expected 2.5")
  expect(() => expectClose([1, 2, 3], [1, 2.5, 5], 0.1)).toThrow("worst at 2")
})

test("expectClose: NaN is never close", () => {
  expect(() => expectClose([Number.NaN], [0], 1e9)).toThrow("index 0")
  expect(maxError([Number.NaN, 1], [0, 1])).toBeNaN()
})

test("expectClose: accepts what is within the tolerance", () => {
  expectClose([1.05], [1], 0.1)
  expectClose([110], [100], 0, { relative: 0.1 })
})

itEffect("itEffect: time is the test clock's", () =>
  Effect.gen(function* () {
    expect(yield* Clock.currentTimeMillis).toBe(0)
  }),
)
