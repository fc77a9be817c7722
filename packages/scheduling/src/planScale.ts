import { type Occurrence, strongest } from "./EventCalendar.ts"
import { forecastLoad, type LoadForecast } from "./forecastLoad.ts"

/** How often each expert of a layer is expected to be used in a window's time, from one moment to another. */
export interface Demand {
  readonly fromMs: number
  readonly toMs: number
  /** `[E]` */
  readonly uses: Float64Array
  /** `[E]` copies that events ask for by name, however often they are used; 0 where none does. */
  readonly copies: Uint8Array
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
}

export interface ScalePolicy {
  /** An expert that is expected to be used less often in a window may sleep. */
  readonly leastUses: number
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
  /** Experts that are to be awake, the most wanted first: those that events name, then by expected use. */
  readonly awake: readonly number[]
  /** Those of them that events name, the first ones. */
  readonly numNamed: number
}

/**
 * Returns the demand of the windows to come, cut where an event starts or ends: forecast × factor of the events × shares of the experts.
 *
 * What an event adds goes to its experts, evenly, or where it names none of this layer to all as usual.
 *
 * @param nowMs the end of the last window that the forecast has seen
 */
export function expectDemand(basis: DemandBasis, nowMs: number, numWindows: number): readonly Demand[] {
  const { forecast, shares, layer, occurrences, windowMs } = basis
  const usesPerUnit = shares.reduce((sum, share) => sum + share, 0)
  const demands: Demand[] = []
  for (let ahead = 1; ahead <= numWindows; ahead++) {
    const [start, end] = [nowMs + (ahead - 1) * windowMs, nowMs + ahead * windowMs]
    const load = forecastLoad(forecast, ahead)
    const near = occurrences.filter((one) => one.fromMs < end && one.toMs > start)
    const edges = near.flatMap((one) => [one.fromMs, one.toMs]).filter((ms) => ms > start && ms < end)
    const times = [...new Set([start, ...edges, end])].sort((a, b) => a - b)
    for (let i = 1; i < times.length; i++) {
      const [fromMs, toMs] = [times[i - 1]!, times[i]!]
      const uses = new Float64Array(shares.length)
      for (let e = 0; e < uses.length; e++) uses[e] = shares[e]! * load
      const event = strongest(near, fromMs)?.event
      if (event !== undefined) {
        const named = event.experts.filter((one) => one.layer === layer).flatMap((one) => one.expertIds)
        const additional = (event.factor - 1) * load
        if (named.length === 0 || additional < 0) for (let e = 0; e < uses.length; e++) uses[e]! *= event.factor
        else for (const e of named) uses[e]! += (additional * usesPerUnit) / named.length
      }
      demands.push({ fromMs, toMs, uses, copies: namedCopies(near, layer, fromMs, uses.length) })
    }
  }
  return demands
}

/** Returns how many copies of each expert the events of a time ask for, `[E]`. */
function namedCopies(
  occurrences: readonly Occurrence[],
  layer: number,
  atMs: number,
  numExperts: number,
): Uint8Array<ArrayBuffer> {
  const named = new Uint8Array(numExperts)
  for (const { event, fromMs, toMs } of occurrences) {
    if (atMs < fromMs || atMs >= toMs || event.factor < 1) continue
    for (const one of event.experts) {
      if (one.layer === layer) for (const e of one.expertIds) named[e] = Math.max(named[e]!, one.copies)
    }
  }
  return named
}

/**
 * Plans how many copies of each expert of a layer are to be awake: up at once for all that is expected within the lead time, down by as much as
 * a number of plans in a row did without. The topK most wanted are always awake.
 *
 * @param demands of the time from now on, in order
 * @param used `[E]` 1 where it was used since the plan before
 */
export function planScale(
  { copies, numQuiet }: ScaleState,
  demands: readonly Demand[],
  used: ArrayLike<number>,
  nowMs: number,
  { leastUses, topK, leadMs, quietPlans }: ScalePolicy,
): ScalePlan {
  const numExperts = copies.length
  const named = new Uint8Array(numExperts)
  const expected = new Float64Array(numExperts)
  for (const demand of demands) {
    if (demand.toMs <= nowMs || demand.fromMs > nowMs + leadMs) continue
    for (let e = 0; e < numExperts; e++) {
      expected[e] = Math.max(expected[e]!, demand.uses[e]!)
      named[e] = Math.max(named[e]!, demand.copies[e]!)
    }
  }
  const ranked = Array.from({ length: numExperts }, (_, e) => e).sort(
    // Of equals, those that are awake stay so.
    (a, b) => named[b]! - named[a]! || expected[b]! - expected[a]! || used[b]! - used[a]! || copies[b]! - copies[a]!,
  )
  const next = { copies: new Uint8Array(numExperts), numQuiet: new Uint16Array(numExperts) }
  for (const [rank, e] of ranked.entries()) {
    const isWanted = rank < topK || used[e]! > 0 || expected[e]! >= leastUses
    const wanted = Math.max(named[e]!, isWanted ? 1 : 0)
    const isQuiet = wanted < copies[e]!
    const quiet = isQuiet ? Math.min(numQuiet[e]! + 1, quietPlans) : 0
    next.copies[e] = isQuiet && quiet < quietPlans ? copies[e]! : wanted
    next.numQuiet[e] = quiet
  }
  const awake = ranked.filter((e) => next.copies[e]! > 0)
  return { ...next, awake, numNamed: awake.filter((e) => named[e]! > 0).length }
}
