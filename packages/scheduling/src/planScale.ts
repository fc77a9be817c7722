import { calendarFactor, type Occurrence, strongest } from "./EventCalendar.ts"
import { forecastLoad, type LoadForecast } from "./forecastLoad.ts"

/** How often each expert of a layer is expected to be used in a window's time, from one moment to another. */
export interface Demand {
  readonly fromMs: number
  readonly toMs: number
  /** `[E]` */
  readonly uses: Float64Array
}

/** What demand is expected from. */
export interface DemandBasis {
  /** Of the load without events, a window each: requests, or tokens. */
  readonly forecast: LoadForecast
  /** `[E]` uses of each expert for one unit of load. */
  readonly shares: Float64Array
  readonly layer: number
  readonly occurrences: readonly Occurrence[]
  readonly windowMs: number
  /** How many standard errors above the expected load is planned for. */
  readonly z: number
}

export interface ScalePolicy {
  /** An expert that is expected to be used less often in a window may sleep. */
  readonly leastUses: number
  /** What one copy can do in a window; `Infinity` never asks for a second. */
  readonly usesPerCopy: number
  readonly mostCopies: number
  /** Never fewer experts are awake. */
  readonly topK: number
  /** How long before it is needed an expert is woken. */
  readonly leadMs: number
  /** A copy falls asleep after so many plans in a row that did not want it. */
  readonly quietPlans: number
}

/** How many copies of each expert of a layer are to be awake, `[E]`; 0 sleeps. */
export interface ScaleState {
  readonly copies: Uint8Array
  /** `[E]` plans in a row that wanted fewer. */
  readonly numQuiet: Uint16Array
}

export interface ScalePlan extends ScaleState {
  /** Experts awake. */
  readonly numAwake: number
  /** When to plan again so that what comes next is awake in time; undefined where nothing more is expected. */
  readonly nextWakeMs: number | undefined
}

/** Returns a layer of which all experts are awake, once each. */
export function createScaleState(numExperts: number): ScaleState {
  return { copies: new Uint8Array(numExperts).fill(1), numQuiet: new Uint16Array(numExperts) }
}

/**
 * Returns the demand of the windows to come, cut where an event starts or ends: forecast × factor of the events × shares of the experts.
 *
 * What an event adds goes to its experts, evenly, or where it names none of this layer to all as usual.
 *
 * @param nowMs the end of the last window that the forecast has seen
 */
export function expectDemand(basis: DemandBasis, nowMs: number, numWindows: number): readonly Demand[] {
  const { forecast, shares, layer, occurrences, windowMs, z } = basis
  const usesPerUnit = shares.reduce((sum, share) => sum + share, 0)
  const demands: Demand[] = []
  for (let ahead = 1; ahead <= numWindows; ahead++) {
    const [start, end] = [nowMs + (ahead - 1) * windowMs, nowMs + ahead * windowMs]
    const { high } = forecastLoad(forecast, ahead, z)
    const edges = occurrences.flatMap((one) => [one.fromMs, one.toMs]).filter((ms) => ms > start && ms < end)
    const times = [...new Set([start, ...edges, end])].sort((a, b) => a - b)
    for (let i = 1; i < times.length; i++) {
      const [fromMs, toMs] = [times[i - 1]!, times[i]!]
      const uses = shares.map((share) => share * high)
      const event = strongest(occurrences, fromMs)?.event
      if (event !== undefined) {
        const named = event.experts.filter((one) => one.layer === layer).flatMap((one) => one.expertIds)
        const additional = (event.factor - 1) * high
        if (named.length === 0 || additional < 0) for (let e = 0; e < uses.length; e++) uses[e]! *= event.factor
        else for (const e of named) if (e < uses.length) uses[e]! += (additional * usesPerUnit) / named.length
      }
      demands.push({ fromMs, toMs, uses })
    }
  }
  return demands
}

/**
 * Plans how many copies of each expert of a layer are to be awake: up at once for all that is expected within the lead time, down by as much as
 * a number of plans in a row did without. The topK most used are always awake.
 *
 * @param demands of the time from now on, in order
 */
export function planScale(
  { copies, numQuiet }: ScaleState,
  demands: readonly Demand[],
  nowMs: number,
  policy: ScalePolicy,
): ScalePlan {
  const numExperts = copies.length
  const wanted = new Uint8Array(numExperts)
  const expected = new Float64Array(numExperts)
  const soon = demands.filter(({ fromMs, toMs }) => toMs > nowMs && fromMs <= nowMs + policy.leadMs)
  for (const { uses } of soon) {
    for (let e = 0; e < numExperts; e++) {
      expected[e] = Math.max(expected[e]!, uses[e]!)
      wanted[e] = Math.max(wanted[e]!, copiesFor(uses[e]!, policy))
    }
  }
  const byUse = Array.from({ length: numExperts }, (_, e) => e).sort((a, b) => expected[b]! - expected[a]!)
  for (const e of byUse.slice(0, policy.topK)) wanted[e] = Math.max(1, wanted[e]!)

  const next = { copies: new Uint8Array(numExperts), numQuiet: new Uint16Array(numExperts) }
  for (let e = 0; e < numExperts; e++) {
    const isQuiet = wanted[e]! < copies[e]!
    const quiet = isQuiet ? Math.min(numQuiet[e]! + 1, policy.quietPlans) : 0
    const falls = isQuiet && quiet >= policy.quietPlans
    next.copies[e] = isQuiet && !falls ? copies[e]! : wanted[e]!
    next.numQuiet[e] = falls ? 0 : quiet
  }
  const later = demands.find(
    ({ fromMs, uses }) =>
      fromMs > nowMs + policy.leadMs && uses.some((use, e) => copiesFor(use, policy) > next.copies[e]!),
  )
  return {
    ...next,
    numAwake: next.copies.reduce((sum, count) => sum + Math.min(1, count), 0),
    nextWakeMs: later === undefined ? undefined : later.fromMs - policy.leadMs,
  }
}

function copiesFor(uses: number, { leastUses, usesPerCopy, mostCopies }: ScalePolicy): number {
  if (uses < leastUses) return 0
  return Math.min(mostCopies, Math.max(1, Math.ceil(uses / usesPerCopy)))
}

/**
 * Returns the load of past windows as it would have been without their events, to fit a forecast on: an event then raises a forecast, and is not
 * taken for its season.
 *
 * @param firstMs when the first window began
 */
export function withoutEvents(
  values: ArrayLike<number>,
  firstMs: number,
  windowMs: number,
  occurrences: readonly Occurrence[],
): Float64Array {
  return Float64Array.from(values, (value, i) => {
    const fromMs = firstMs + i * windowMs
    return value / calendarFactor(occurrences, fromMs, fromMs + windowMs)
  })
}
