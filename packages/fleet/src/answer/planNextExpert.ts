/** What there is to turn to when an attempt has failed, or before the first. */
export interface FailoverState {
  /** Places that can be asked now, best first. */
  readonly order: readonly number[]
  /** `[E]`: base scores, by which those that do not suit come after the generalist. */
  readonly base: ArrayLike<number>
  readonly leastScore: number
  /** `[E]`: place of each expert's standby; -1 for none. */
  readonly standbys: ArrayLike<number>
  /** -1 where there is none. */
  readonly generalist: number
  /** Places that were tried, oldest first: nobody is tried twice. */
  readonly tried: readonly number[]
  /** A request that names its expert goes to it and to standbys only. */
  readonly named: number | undefined
  /** Text of the answer has left: only the standby of who failed, where it can go on with it, may take over. */
  readonly hasSent: boolean
  /** `[E]`: who can go on with an answer. */
  readonly continues: readonly boolean[]
}

/**
 * Returns the place of who is asked next, undefined where nobody is left: **standby → next best that suits → generalist**.
 *
 * Each is asked once, so that it ends after a bounded number of attempts whatever fails on the way.
 */
export function planNextExpert(state: FailoverState): number | undefined {
  const { order, base, leastScore, standbys, generalist, tried, named, hasSent, continues } = state
  const isOpen = (place: number): boolean => order.includes(place) && !tried.includes(place)
  const last = tried.at(-1)
  const standby = last === undefined ? -1 : standbys[last]!
  if (standby >= 0 && isOpen(standby) && (!hasSent || continues[standby] === true)) return standby
  if (hasSent) return undefined
  if (named !== undefined) return nextNamed(named, standbys, isOpen)
  const suits = (place: number): boolean => generalist < 0 || place === generalist || base[place]! >= leastScore
  const preferred = indexOfBest(base)
  // One that cannot be asked now has a standby all the same.
  if (tried.length === 0 && suits(preferred) && !isOpen(preferred)) {
    const next = nextNamed(preferred, standbys, isOpen)
    if (next !== undefined) return next
  }
  const best = order.find((place) => place !== generalist && isOpen(place) && suits(place))
  if (best !== undefined && !isGeneralists(state, best, isOpen)) return best
  return generalist >= 0 && isOpen(generalist) ? generalist : best
}

/** Whether the generalist stands before the best of the others: it scores higher itself. */
function isGeneralists(
  { order, generalist }: FailoverState,
  best: number,
  isOpen: (place: number) => boolean,
): boolean {
  return generalist >= 0 && isOpen(generalist) && order.indexOf(generalist) < order.indexOf(best)
}

/** The named expert, else the first of its chain of standbys that can be asked. */
function nextNamed(named: number, standbys: ArrayLike<number>, isOpen: (place: number) => boolean): number | undefined {
  const seen = new Set<number>()
  for (let place = named; place >= 0 && !seen.has(place); place = standbys[place]!) {
    if (isOpen(place)) return place
    seen.add(place)
  }
  return undefined
}

function indexOfBest(scores: ArrayLike<number>): number {
  let best = 0
  for (let e = 1; e < scores.length; e++) if (scores[e]! > scores[best]!) best = e
  return best
}
