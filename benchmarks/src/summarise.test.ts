import { expect, test } from "bun:test"
import { readable, summarise } from "./summarise.ts"

test("summarise: takes the median and interpolates the rest", () => {
  expect(summarise([5, 1, 3])).toEqual({ median: 3, p10: 1.4, p90: 4.6, p99: 4.96 })
  expect(summarise([7])).toEqual({ median: 7, p10: 7, p90: 7, p99: 7 })
})

test("summarise: one wild sample moves neither the median nor the deciles", () => {
  const calm = Array.from({ length: 101 }, (_, i) => i)
  expect(summarise([...calm.slice(0, 100), 1e9])).toMatchObject({ median: 50, p10: 10, p90: 90 })
})

test("summarise: leaves the samples as they are", () => {
  const samples = [3, 1, 2]
  summarise(samples)
  expect(samples).toEqual([3, 1, 2])
})

test("summarise: refuses to make a median of nothing, or of what is not a number", () => {
  expect(() => summarise([])).toThrow("without samples")
  expect(() => summarise([1, Number.NaN])).toThrow("not a number")
})

test("readable: three significant digits, no exponent, no 100.0", () => {
  expect([0, 0.01234, 12.345, 99.96, 12345.6].map(readable)).toEqual(["0", "0.0123", "12.3", "100", "12,346"])
})
