/** A date without a time or a zone: `[2026, 11, 11]`. */
export type CalendarDate = readonly [year: number, month: number, day: number]

/** Something that is known to come, and to bring load. */
export interface CalendarEvent {
  readonly name: string
  /** When it starts, by the clocks of the calendar's zone. */
  readonly hour: number
  readonly minute: number
  readonly durationMs: number
  /** How many times the usual load is expected while it lasts. */
  readonly factor: number
  readonly recurs:
    | { readonly kind: "daily" }
    /** 0 is Sunday. */
    | { readonly kind: "weekly"; readonly weekdays: readonly number[] }
    | { readonly kind: "dates"; readonly dates: readonly CalendarDate[] }
  /** Who is awake while it lasts, and where the additional load goes; empty: to all experts, as usual. */
  readonly experts: readonly EventExperts[]
}

/** Experts of a layer that an event concerns. */
export interface EventExperts {
  readonly layer: number
  readonly expertIds: readonly number[]
  /** How many copies of each are to be awake. */
  readonly copies: number
}

/** What is known to come, by the clocks of one time zone. */
export interface EventCalendar {
  /** IANA name: `Asia/Shanghai`. */
  readonly timeZone: string
  readonly events: readonly CalendarEvent[]
}

/** One time that an event takes place. */
export interface Occurrence {
  readonly event: CalendarEvent
  readonly fromMs: number
  readonly toMs: number
}

const DAY_MS = 86_400_000

/** Returns what takes place at any time of `[fromMs, toMs)`, the earliest first. Clocks that are put forward or back move an event with them. */
export function occurrencesBetween(
  { timeZone, events }: EventCalendar,
  fromMs: number,
  toMs: number,
): readonly Occurrence[] {
  const offsetMs = zoneOffset(timeZone)
  const found: Occurrence[] = []
  for (const event of events) {
    // A day more on each side: zones are up to 14 hours off.
    for (const [year, month, day] of datesOf(event, fromMs - event.durationMs - DAY_MS, toMs + DAY_MS)) {
      const startMs = toEpochMs(Date.UTC(year, month - 1, day, event.hour, event.minute), offsetMs)
      const endMs = startMs + event.durationMs
      if (startMs < toMs && endMs > fromMs) found.push({ event, fromMs: startMs, toMs: endMs })
    }
  }
  return found.sort((a, b) => a.fromMs - b.fromMs)
}

/** Returns how many times the usual load is expected on average in `[fromMs, toMs)`; where events overlap, the largest factor counts. */
export function calendarFactor(occurrences: readonly Occurrence[], fromMs: number, toMs: number): number {
  const inside = occurrences.filter((one) => one.fromMs < toMs && one.toMs > fromMs)
  const edges = inside.flatMap((one) => [Math.max(fromMs, one.fromMs), Math.min(toMs, one.toMs)])
  const times = [...new Set([fromMs, ...edges, toMs])].sort((a, b) => a - b)
  let sum = 0
  for (let i = 1; i < times.length; i++) {
    const [start, end] = [times[i - 1]!, times[i]!]
    sum += (end - start) * (strongest(inside, start)?.event.factor ?? 1)
  }
  return sum / (toMs - fromMs)
}

/** Returns what takes place at a time; of several the one with the largest factor. */
export function strongest(occurrences: readonly Occurrence[], atMs: number): Occurrence | undefined {
  let best: Occurrence | undefined
  for (const one of occurrences) {
    const isOn = one.fromMs <= atMs && atMs < one.toMs
    if (isOn && (best === undefined || one.event.factor > best.event.factor)) best = one
  }
  return best
}

function datesOf({ recurs }: CalendarEvent, fromMs: number, toMs: number): readonly CalendarDate[] {
  if (recurs.kind === "dates") return recurs.dates
  const dates: CalendarDate[] = []
  for (let dayMs = Math.floor(fromMs / DAY_MS) * DAY_MS; dayMs < toMs; dayMs += DAY_MS) {
    const date = new Date(dayMs)
    if (recurs.kind === "daily" || recurs.weekdays.includes(date.getUTCDay())) {
      dates.push([date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate()])
    }
  }
  return dates
}

/** Returns the time at which clocks show what `localMs` would be in UTC: the earlier one where they show it twice, later by the gap where they skip it. */
function toEpochMs(localMs: number, offsetMs: (atMs: number) => number): number {
  const [before, after] = [offsetMs(localMs - DAY_MS), offsetMs(localMs + DAY_MS)]
  const early = localMs - Math.max(before, after)
  const late = localMs - Math.min(before, after)
  if (early + offsetMs(early) === localMs) return early
  return late + offsetMs(late) === localMs ? late : localMs - before
}

/** Returns how far a zone's clocks are ahead of UTC at a time. @throws RangeError on a zone that is not known */
export function zoneOffset(timeZone: string): (atMs: number) => number {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  })
  return (atMs) => {
    const parts = Object.fromEntries(format.formatToParts(atMs).map(({ type, value }) => [type, Number(value)]))
    const local = Date.UTC(parts.year!, parts.month! - 1, parts.day, parts.hour, parts.minute, parts.second)
    return local - Math.floor(atMs / 1000) * 1000
  }
}
