/** What the newest observation counts for each part of a forecast; 0 leaves a part out. All of `level` and nothing else is the last value. */
export interface Smoothing {
  readonly level: number
  readonly trend: number
  readonly season: number
  /** Windows of a season, such as those of a day; 0 without one. */
  readonly period: number
}

/** What is known of a load after its windows so far: level, trend and season. */
export interface LoadForecast {
  readonly smoothing: Smoothing
  level: number
  trend: number
  /** `[period]`, by window modulo the period. */
  readonly seasons: Float64Array
  numWindows: number
}

/** Windows that teach before the first error counts. */
const WARM_UP = 3
const LEVELS = [0.05, 0.1, 0.2, 0.3, 0.5, 0.8]

/**
 * Returns the forecast that was off least, one window ahead, on these windows: of the last value, an average that forgets, one with a trend, and
 * one with a season where two of them were seen. The simpler one wins a tie. Empty windows at the start count as a load of 0.
 *
 * @param values load of each window, oldest first
 * @param period windows of a season; 0 looks for none
 * @see Holt-Winters, additive: Winters, "Forecasting sales by exponentially weighted moving averages", Management Science 1960
 */
export function fitForecast(values: ArrayLike<number>, period = 0): LoadForecast {
  const hasSeason = period > 1 && values.length >= 2 * period
  const judgedFrom = Math.max(WARM_UP, hasSeason ? period : 0)
  let best: { readonly forecast: LoadForecast; readonly error: number } | undefined
  for (const smoothing of candidates(hasSeason ? period : 0)) {
    const forecast = startForecast(values, smoothing)
    let error = 0
    for (let t = forecast.numWindows; t < values.length; t++) {
      if (t >= judgedFrom) error += Math.abs(values[t]! - forecastLoad(forecast, 1))
      observeWindow(forecast, values[t]!)
    }
    // A hair's breadth is rounding.
    if (best === undefined || error < best.error * (1 - 1e-9)) best = { forecast, error }
  }
  return best!.forecast
}

/** Takes one more window into the forecast, in place. */
export function observeWindow(forecast: LoadForecast, value: number): void {
  const { smoothing, seasons } = forecast
  const place = smoothing.period > 0 ? forecast.numWindows % smoothing.period : 0
  const season = seasons[place] ?? 0
  const before = forecast.level
  forecast.level = smoothing.level * (value - season) + (1 - smoothing.level) * (before + forecast.trend)
  forecast.trend = smoothing.trend * (forecast.level - before) + (1 - smoothing.trend) * forecast.trend
  if (smoothing.period > 0) {
    seasons[place] = smoothing.season * (value - forecast.level) + (1 - smoothing.season) * season
  }
  forecast.numWindows++
}

/** Returns the load that is expected `ahead` windows from the last one, never below 0. @param ahead 1 is the next window */
export function forecastLoad({ smoothing, seasons, level, trend, numWindows }: LoadForecast, ahead: number): number {
  const season = smoothing.period > 0 ? seasons[(numWindows + ahead - 1) % smoothing.period]! : 0
  return Math.max(0, level + ahead * trend + season)
}

/** The simpler first. */
function candidates(period: number): readonly Smoothing[] {
  const lastValue = { level: 1, trend: 0, season: 0, period: 0 }
  const averages = LEVELS.map((level) => ({ level, trend: 0, season: 0, period: 0 }))
  const trends = LEVELS.flatMap((level) => [0.05, 0.2].map((trend) => ({ level, trend, season: 0, period: 0 })))
  const seasons = LEVELS.flatMap((level) =>
    [0, 0.02].flatMap((trend) => [0.05, 0.2, 0.4].map((season) => ({ level, trend, season, period }))),
  )
  return [lastValue, ...averages, ...trends, ...(period > 0 ? seasons : [])]
}

/** Returns a forecast that has seen the first window, or the first season: its mean is the level, what its parts differ by the season. */
function startForecast(values: ArrayLike<number>, smoothing: Smoothing): LoadForecast {
  const { period } = smoothing
  const numWindows = Math.min(values.length, Math.max(1, period))
  const level = meanAround(values, 0, numWindows, numWindows)
  // One season alone is noisy: a window takes part of its neighbours', an hour to each side of a day's.
  const width = 1 + 2 * Math.floor(period / 24)
  const seasons = Float64Array.from(
    { length: period },
    (_, t) => meanAround(values, t - (width - 1) / 2, width, period) - level,
  )
  return { smoothing, level, trend: 0, seasons, numWindows }
}

/** Returns the mean of `width` values from `first` on, going round in the first `length`; 0 of none. */
function meanAround(values: ArrayLike<number>, first: number, width: number, length: number): number {
  let sum = 0
  for (let i = 0; i < width; i++) sum += values[(first + i + length) % length]!
  return width > 0 ? sum / width : 0
}
