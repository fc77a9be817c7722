/** The third of the three stages: which sleeping experts will be wanted soon. Pure. */
import { type EventCalendar, fitForecast, forecastLoad, occurrencesBetween } from "@consilium/scheduling"

/** A local expert, as far as is known who asks it. */
export interface WakeCandidate {
  readonly name: string
  readonly isAwake: boolean
  /** Requests of the windows so far, oldest first. */
  readonly requests: readonly number[]
  /** Events of the calendar that bring it load. */
  readonly events: readonly string[]
}

/** Requests are counted by these: a day is 144 of them. */
export const DEMAND_WINDOW_MS = 600_000
const DAY_WINDOWS = 144
/** So much before an event its experts are woken. */
const LEAD_MS = 120_000
/** From so many requests on that the next window is expected to bring. */
const LEAST_REQUESTS = 0.5

/**
 * Returns the names of sleeping experts to wake: those that an event wants which is on or begins soon, then those that the forecast expects to be asked
 * in the next window, the most wanted first. Two days teach the forecast the hours of a day.
 *
 * @param calendar undefined without one
 */
export function planWakes(
  candidates: readonly WakeCandidate[],
  calendar: EventCalendar | undefined,
  nowMs: number,
): readonly string[] {
  const soon = calendar === undefined ? [] : occurrencesBetween(calendar, nowMs, nowMs + LEAD_MS)
  const bringing = new Set(soon.filter(({ event }) => event.factor > 1).map(({ event }) => event.name))
  return candidates
    .filter(({ isAwake }) => !isAwake)
    .map(({ name, events, requests }) => ({
      name,
      wanted: events.some((event) => bringing.has(event)) ? Number.POSITIVE_INFINITY : expectedOf(requests),
    }))
    .filter(({ wanted }) => wanted >= LEAST_REQUESTS)
    .toSorted((a, b) => (a.wanted === b.wanted ? 0 : b.wanted - a.wanted))
    .map(({ name }) => name)
}

/** By the trend of today, or by the same window of the days before: a forecast's seasons are smooth, office hours are on and off. */
function expectedOf(requests: readonly number[]): number {
  if (requests.length === 0) return 0
  const today = forecastLoad(fitForecast(requests.slice(-DAY_WINDOWS)), 1)
  const before: number[] = []
  for (let at = requests.length - DAY_WINDOWS; at >= 0; at -= DAY_WINDOWS) before.push(requests[at]!)
  const usual = before.length < 2 ? 0 : before.reduce((sum, count) => sum + count, 0) / before.length
  return Math.max(today, usual)
}
