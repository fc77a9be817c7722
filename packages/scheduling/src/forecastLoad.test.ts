import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { createRandom } from "@consilium/tensor"
import { fitForecast, forecastLoad, observeWindow } from "./index.ts"

const wave = (length: number, period: number): number[] =>
  Array.from({ length }, (_, t) => 100 + 60 * Math.sin((2 * Math.PI * t) / period))
const constant = (length: number, value: number): number[] => Array.from({ length }, () => value)
/** Adds noise of standard deviation 1. */
const noisy = (values: readonly number[], seed: number): number[] => {
  const random = createRandom(seed)
  return values.map((value) => value + (random() + random() + random() - 1.5) * 2)
}

describe("fitForecast", () => {
  test("the forecast of a constant is that constant", () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 1000 }),
        fc.integer({ min: 1, max: 60 }),
        fc.nat({ max: 12 }),
        (value, length, period) => {
          const forecast = fitForecast(new Float64Array(length).fill(value), period)
          for (const ahead of [1, 2, 30]) {
            expect(forecastLoad(forecast, ahead)).toBeCloseTo(value, 6)
          }
        },
      ),
    )
  })

  test("a season is found where two were seen, and foretold a whole one ahead", () => {
    const period = 24
    const values = wave(10 * period, period)
    const forecast = fitForecast(noisy(values.slice(0, 8 * period), 1), period)
    expect(forecast.smoothing.period).toBe(period)
    for (let ahead = 1; ahead <= 2 * period; ahead++) {
      expect(Math.abs(forecastLoad(forecast, ahead) - values[8 * period + ahead - 1]!)).toBeLessThan(4)
    }
    expect(fitForecast(values.slice(0, 2 * period - 1), period).smoothing.period).toBe(0)
  })

  test("a straight climb is foretold by its trend, noise by its mean, a random walk by its last value", () => {
    const random = createRandom(3)
    const climb = Array.from({ length: 100 }, (_, t) => 5 * t)
    expect(forecastLoad(fitForecast(noisy(climb, 2)), 10)).toBeCloseTo(545, -1)
    const still = fitForecast(noisy(constant(500, 50), 4))
    expect(still.smoothing.level).toBeLessThanOrEqual(0.1)
    expect(forecastLoad(still, 1)).toBeCloseTo(50, 0)
    let at = 1000
    const walk = Array.from({ length: 500 }, () => (at += random() - 0.5))
    expect(fitForecast(walk).smoothing.level).toBeGreaterThanOrEqual(0.8)
  })

  test("a load that falls and falls is never expected to be below 0", () => {
    const falling = fitForecast(Array.from({ length: 40 }, (_, t) => 400 - 10 * t))
    expect(falling.smoothing.trend).toBeGreaterThan(0)
    expect(forecastLoad(falling, 200)).toBe(0)
  })

  test("observing window by window is the same as fitting with them all, given the same smoothing", () => {
    const values = noisy(wave(96, 12), 6)
    const all = fitForecast(values, 12)
    const some = fitForecast(values.slice(0, 90), 12)
    expect(some.smoothing).toEqual(all.smoothing)
    for (const value of values.slice(90)) observeWindow(some, value)
    expect(some).toEqual(all)
  })

  test("without any window, nothing is expected", () => {
    expect(forecastLoad(fitForecast([], 12), 3)).toBe(0)
  })
})
