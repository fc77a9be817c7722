import { copiesPerExpert, domainLoads, type Placement } from "./Placement.ts"

/** What moving costs and what balance is worth. */
export interface MoveCost {
  readonly expertBytes: number
  /** From where copies come: memory or disk. */
  readonly bytesPerSec: number
  /** Time that one more token on the fullest domain adds to a step. */
  readonly msPerToken: number
  /** Steps for which the load is believed to stay as it is. */
  readonly numSteps: number
  /** Most copies made at one step boundary; at least 2, an exchange. */
  readonly maxMoves: number
}

/** A place of the layer that is to hold another expert. The moves of one plan take effect together, at a step boundary. */
export interface ExpertMove {
  readonly place: number
  readonly expertId: number
}

/**
 * Plans the next few moves from one placement towards another; none unless what balance will save exceeds what all the moves cost.
 *
 * Domains are alike, so that each wanted one is first matched with the present one that already holds most of it. A move overwrites a copy of an
 * expert that has others; where there is none such, two experts change places: no expert is ever without a copy. Called again after each batch, it
 * ends at the wanted placement, or where the rest does not pay.
 *
 * @param load `[E]` tokens a step
 * @see overlap: Lazarus, arXiv:2407.04656 §4.2
 */
export function planMoves(
  current: Placement,
  wanted: Placement,
  load: ArrayLike<number>,
  cost: MoveCost,
): readonly ExpertMove[] {
  if (cost.maxMoves < 2) throw new Error(`planMoves: maxMoves ${cost.maxMoves} allows no exchange: give at least 2`)
  const target = align(current, wanted)
  const numMoves = current.expertIds.reduce((sum, expertId, place) => sum + (expertId === target[place] ? 0 : 1), 0)
  const costMs = numMoves * (cost.expertBytes / cost.bytesPerSec) * 1000
  const savedTokens = Math.max(...domainLoads(current, load)) - Math.max(...domainLoads(wanted, load))
  if (savedTokens * cost.msPerToken * cost.numSteps <= costMs) return []

  const moved = { numDomains: current.numDomains, expertIds: current.expertIds.slice() }
  const moves = new Map<number, number>()
  for (;;) {
    const next = bestStep(moved, target, load)
    if (next === undefined || new Set([...moves.keys(), ...next.map(({ place }) => place)]).size > cost.maxMoves) break
    for (const { place, expertId } of next) {
      moves.set(place, expertId)
      moved.expertIds[place] = expertId
    }
  }
  return [...moves].map(([place, expertId]) => ({ place, expertId })).sort((a, b) => a.place - b.place)
}

/** Returns the wanted expert of each place, with domains and the places inside them in the order that keeps most where it is. */
function align({ numDomains, expertIds }: Placement, wanted: Placement): Int32Array {
  const size = expertIds.length / numDomains
  const domainOf = (ids: Int32Array, domain: number): number[] =>
    Array.from(ids.subarray(domain * size, (domain + 1) * size))
  const pairs = Array.from({ length: numDomains * numDomains }, (_, i) => {
    const [here, there] = [Math.floor(i / numDomains), i % numDomains]
    const kept = keepPlaces(domainOf(expertIds, here), domainOf(wanted.expertIds, there))
    return { here, there, ...kept }
  }).sort((a, b) => b.numKept - a.numKept)

  const target = new Int32Array(expertIds.length)
  const [taken, given] = [new Set<number>(), new Set<number>()]
  for (const { here, there, ordered } of pairs) {
    if (taken.has(here) || given.has(there)) continue
    taken.add(here)
    given.add(there)
    target.set(ordered, here * size)
  }
  return target
}

/** Orders `wanted` so that those which `present` holds stay where they are. */
function keepPlaces(present: readonly number[], wanted: readonly number[]): { ordered: number[]; numKept: number } {
  const left = [...wanted]
  const kept = present.map((expertId) => {
    const at = left.indexOf(expertId)
    return at < 0 ? undefined : left.splice(at, 1)[0]
  })
  const numKept = present.length - left.length
  return { ordered: kept.map((expertId) => expertId ?? left.shift()!), numKept }
}

/** Returns the overwriting or, where none is allowed, the exchange after which domains are balanced best; undefined at the target. */
function bestStep(present: Placement, target: Int32Array, load: ArrayLike<number>): readonly ExpertMove[] | undefined {
  const { expertIds } = present
  const counts = copiesPerExpert(expertIds, load.length)
  const wrong = [...expertIds.keys()].filter((place) => expertIds[place] !== target[place])
  const overwritings = wrong
    .filter((place) => counts[expertIds[place]!]! > 1)
    .map((place) => [{ place, expertId: target[place]! }])
  const exchanges = wrong.flatMap((place) => {
    const other = wrong.find((one) => expertIds[one] === target[place])
    if (other === undefined) return []
    const back = { place: other, expertId: expertIds[place]! }
    return [[{ place, expertId: target[place]! }, back]]
  })
  const peakAfter = createPeakAfter(present, counts, load)
  let best: { readonly step: readonly ExpertMove[]; readonly peak: number } | undefined
  for (const step of overwritings.length > 0 ? overwritings : exchanges) {
    const peak = peakAfter(step)
    if (best === undefined || peak < best.peak) best = { step, peak }
  }
  return best?.step
}

/**
 * Returns a function that says what the fullest domain would have after an overwriting or an exchange.
 *
 * It works from what changes alone: there are hundreds of such steps to compare, between two steps of a service.
 */
function createPeakAfter(
  { numDomains, expertIds }: Placement,
  counts: Int32Array,
  load: ArrayLike<number>,
): (step: readonly ExpertMove[]) => number {
  const perDomain = expertIds.length / numDomains
  const before = domainLoads({ numDomains, expertIds }, load)
  const after = new Float64Array(numDomains)
  /** Gives each copy of an expert what it has where there are `count` of them. */
  const shareAmong = (expertId: number, count: number): void => {
    const change = load[expertId]! / count - load[expertId]! / counts[expertId]!
    if (change === 0) return
    for (let place = 0; place < expertIds.length; place++)
      if (expertIds[place] === expertId) after[Math.floor(place / perDomain)]! += change
  }
  return (step) => {
    after.set(before)
    const change = step.length === 1 ? 1 : 0
    for (const { place, expertId } of step) {
      const given = expertIds[place]!
      const [left, now] = [counts[given]! - change, counts[expertId]! + change]
      shareAmong(given, left)
      shareAmong(expertId, now)
      after[Math.floor(place / perDomain)]! += load[expertId]! / now - load[given]! / left
    }
    return Math.max(...after)
  }
}
