/** Forecasts of one window ahead on the first 70 % of the Azure chat trace, against figures that were computed elsewhere on all of it. */
import { expect, test } from "bun:test"
import { fitForecast, forecastLoad, type LoadForecast, observeWindow } from "@consilium/scheduling"
import { sharedPath } from "@consilium/testing"
import { readFileSync } from "node:fs"
import { parseTrace } from "../load/parseTrace.ts"

const WARM_UP = 3
const path = sharedPath("data/traces/azure-llm-2023-conv.csv")

/** Requests of each window; the last one, which is not whole, is left out. */
function countsOf(windowMs: number): readonly number[] {
  const counts: number[] = []
  for (const { arrivalMs } of parseTrace(readFileSync(path!, "utf8"), "conv")) {
    const window = Math.floor(arrivalMs / windowMs)
    while (counts.length <= window) counts.push(0)
    counts[window]!++
  }
  return counts.slice(0, -1)
}

/** Σ|error| / Σ load of one window ahead, from `first` on. */
function wape(counts: readonly number[], forecast: LoadForecast, first: number): number {
  let [errors, all] = [0, 0]
  for (let t = forecast.numWindows; t < counts.length; t++) {
    if (t >= first) errors += Math.abs(counts[t]! - forecastLoad(forecast, 1))
    if (t >= first) all += counts[t]!
    observeWindow(forecast, counts[t]!)
  }
  return errors / all
}

function averaging(counts: readonly number[], level: number): LoadForecast {
  return { ...fitForecast(counts.slice(0, 1)), smoothing: { level, trend: 0, season: 0, period: 0 } }
}

test.skipIf(path === undefined)(
  "fitForecast: last value and average are about as far off as on the whole trace",
  () => {
    const [minutes, tens] = [countsOf(60_000), countsOf(10_000)]
    const near = (found: number, published: number): void => expect(Math.abs(found - published)).toBeLessThan(0.01)
    near(wape(minutes, averaging(minutes, 1), WARM_UP), 0.081)
    near(wape(minutes, averaging(minutes, 0.3), WARM_UP), 0.101)
    near(wape(tens, averaging(tens, 1), WARM_UP), 0.157)
    near(wape(tens, averaging(tens, 0.2), WARM_UP), 0.13)
  },
)

test.skipIf(path === undefined)(
  "fitForecast: what it chose on the first 60 % is no worse on the rest than the last value",
  () => {
    const counts = countsOf(10_000)
    const half = Math.floor(0.6 * counts.length)
    const chosen = wape(counts, fitForecast(counts.slice(0, half)), half)
    expect(chosen).toBeLessThan(wape(counts, averaging(counts, 1), half))
  },
)
