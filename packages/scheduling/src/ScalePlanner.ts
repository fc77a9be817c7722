/** What the service plans by, minute by minute, and what `bench scale` judges: counts in, experts that are to be awake out. */
import { calendarFactor, type EventCalendar, type Occurrence, occurrencesBetween, strongest } from "./EventCalendar.ts"
import { fitForecast, forecastLoad, type LoadForecast, observeWindow } from "./forecastLoad.ts"
import { expectDemand, planScale, type ScalePolicy, type ScaleState } from "./planScale.ts"

/** What came since the last plan. */
export interface ScaleMinute {
  readonly nowMs: number
  readonly numRequests: number
  /** Experts that each token visits. */
  readonly topK: number
  /** Of the layers that have experts; none while there is no engine. */
  readonly layers: readonly LayerUses[]
}

interface LayerUses {
  readonly layer: number
  /** `[E]` 1 where it was used since the last plan. */
  readonly used: ArrayLike<number>
  /** `[E]` 1 where it is awake now: others that nobody wants are not woken. */
  readonly awake: ArrayLike<number>
}

export interface ScaleOrder {
  readonly layers: readonly LayerOrder[]
  /** An event is on, or begins within the lead time. */
  readonly isEventDue: boolean
}

/** Who is to be awake in a layer. */
export interface LayerOrder {
  readonly layer: number
  /** The most wanted first. */
  readonly awake: readonly number[]
  /** The first of them are named by events: so many. */
  readonly numNamed: number
  /** Those that are to have a second copy. */
  readonly twice: readonly number[]
}

export interface ScalePlanner {
  /** Takes in a minute, and plans the next. */
  plan(minute: ScaleMinute): ScaleOrder
  /** Requests that are expected in the present window, events among them. */
  readonly expected: number
}

/** How often plans are made. */
export const PLAN_MS = 60_000
/** Requests are counted in windows of this length to be forecast. */
export const FORECAST_WINDOW_MS = 600_000
const DAY_WINDOWS = 144
/** Windows that are remembered: two weeks. */
const MOST_WINDOWS = 14 * DAY_WINDOWS
/** The forecast is fitted anew after so many windows, and follows them one by one in between. */
const FIT_WINDOWS = 36
/** Events are looked up for so many windows ahead. */
const EVENT_WINDOWS = DAY_WINDOWS
/** After so many minutes what an expert was used counts e times less: a day. */
const SHARE_MINUTES = 1440

export type ScaleTuning = Omit<ScalePolicy, "topK">
/** Chosen once, on the first part of loads that `bench scale` judges on the rest: benchmarks/src/scale/chooseTuning.ts. A model that sleeps needs the lead. */
export const SCALE_TUNING: ScaleTuning = { leastUses: 0.2, leadMs: 3 * PLAN_MS, quietPlans: 5 }

interface LayerMemory {
  state: ScaleState
  /** `[E]` minutes in which each was used, outside events; what is long ago counts less. */
  readonly uses: Float64Array
  /** Requests of these minutes, alike. */
  numRequests: number
}

/** Creates a planner that knows the calendar and has seen nothing. A use is a minute in which an expert was used. */
export function createScalePlanner(
  calendar: EventCalendar,
  startMs: number,
  tuning: ScaleTuning = SCALE_TUNING,
): ScalePlanner {
  const memories = new Map<number, LayerMemory>()
  /** Requests of each window, as if there had been no events. */
  const usual: number[] = []
  let forecast: LoadForecast = fitForecast([])
  let numWindows = 0
  let numSinceFit = 0
  /** When the window that runs began. */
  let windowMs = startMs
  let numInWindow = 0
  let occurrences: readonly Occurrence[] = []

  const lookAhead = (): void => {
    occurrences = occurrencesBetween(calendar, windowMs, windowMs + 2 * EVENT_WINDOWS * FORECAST_WINDOW_MS)
  }
  const factor = (): number => calendarFactor(occurrences, windowMs, windowMs + FORECAST_WINDOW_MS)

  const closeWindow = (): void => {
    // An event raises the forecast, and is not taken for its season.
    usual.push(numInWindow / factor())
    numInWindow = 0
    windowMs += FORECAST_WINDOW_MS
    if (++numWindows % EVENT_WINDOWS === 0) lookAhead()
    if (usual.length > MOST_WINDOWS) usual.shift()
    if (++numSinceFit < FIT_WINDOWS && usual.length > FIT_WINDOWS) return observeWindow(forecast, usual.at(-1)!)
    forecast = fitForecast(usual, DAY_WINDOWS)
    numSinceFit = 0
  }

  const memoryOf = (layer: number, numExperts: number): LayerMemory => {
    const found = memories.get(layer)
    if (found !== undefined) return found
    const state = { copies: new Uint8Array(numExperts), numQuiet: new Uint16Array(numExperts) }
    const memory = { state, uses: new Float64Array(numExperts), numRequests: 0 }
    memories.set(layer, memory)
    return memory
  }

  const learn = (memory: LayerMemory, used: ArrayLike<number>, numRequests: number): void => {
    const kept = Math.exp(-1 / SHARE_MINUTES)
    memory.numRequests = memory.numRequests * kept + numRequests
    for (let e = 0; e < memory.uses.length; e++) memory.uses[e] = memory.uses[e]! * kept + used[e]!
  }

  const planLayer = ({ layer, used, awake }: LayerUses, { nowMs, numRequests, topK }: ScaleMinute): LayerOrder => {
    const memory = memoryOf(layer, used.length)
    if (strongest(occurrences, nowMs) === undefined) learn(memory, used, numRequests)
    const shares = new Float64Array(used.length)
    for (let e = 0; e < shares.length; e++) shares[e] = memory.uses[e]! / Math.max(1, memory.numRequests)
    const basis = { forecast, shares, layer, occurrences, windowMs: FORECAST_WINDOW_MS }
    const numAhead = Math.ceil((nowMs + tuning.leadMs + 1 - windowMs) / FORECAST_WINDOW_MS)
    const { copies, numQuiet } = memory.state
    for (let e = 0; e < copies.length; e++) copies[e] = awake[e]! > 0 ? Math.max(1, copies[e]!) : 0
    const plan = planScale({ copies, numQuiet }, expectDemand(basis, windowMs, numAhead), used, nowMs, {
      ...tuning,
      topK,
    })
    memory.state = plan
    const twice = plan.awake.filter((e) => plan.copies[e]! > 1)
    return { layer, awake: plan.awake, numNamed: plan.numNamed, twice }
  }

  lookAhead()
  return {
    get expected() {
      return forecastLoad(forecast, 1) * factor()
    },
    plan(minute) {
      const { nowMs, numRequests, layers } = minute
      numInWindow += numRequests
      for (let numOver = Math.floor((nowMs - windowMs) / FORECAST_WINDOW_MS); numOver > 0; numOver--) closeWindow()
      const isDue = ({ event, fromMs, toMs }: Occurrence): boolean =>
        event.factor >= 1 && fromMs <= nowMs + tuning.leadMs && toMs > nowMs
      return { layers: layers.map((layer) => planLayer(layer, minute)), isEventDue: occurrences.some(isDue) }
    },
  }
}
