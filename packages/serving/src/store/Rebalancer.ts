/**
 * Moves experts between memory domains while the service goes on, so that no domain has much more to do than the others. Who goes where is decided by
 * `placeExperts`, the way there and whether it pays by `planMoves`.
 */
import type { Arena } from "@consilium/kernels"
import {
  balancedness,
  domainLoads,
  type ExpertMove,
  type MoveCost,
  placeExperts,
  planMoves,
} from "@consilium/scheduling"
import type { ExpertChange } from "../control.ts"
import type { ExpertDomains, LayerPlacement } from "./ExpertDomains.ts"
import type { ExpertLayer, ExpertTable } from "./ExpertTable.ts"
import type { Residency } from "./Residency.ts"

export interface Rebalancer {
  /** Called between two steps: carries out a few moves where they pay; most times it is too early to look, and where there is one domain always. */
  stepDone(): void
}

interface RebalancerOptions {
  readonly table: ExpertTable
  readonly residency: Residency
  readonly domains: ExpertDomains
  readonly arena: Arena
  readonly nowMs: () => number
  readonly onChange: (change: Omit<ExpertChange, "atMs">) => void
}

/** All layers have been looked at: rest for so long. */
const REST_MS = 5000
/** Moves of one step boundary. */
const MOST_MOVES = 4
/** Moving takes no more than this share of the time. */
const SHARE_OF_TIME = 0.1
/** What the fullest domain must lose at least, of its load: loads waver by themselves. */
const LEAST_GAIN = 0.1
/** The load is believed to stay as it is for as long as it was measured. */
const BELIEVED_SEC = 60

export function createRebalancer(options: RebalancerOptions): Rebalancer {
  const { table, residency, domains, arena, nowMs, onChange } = options
  const { layers, frames, numHeld } = table
  let copyBytesPerSec: number | undefined
  /** The layer that is looked at next. */
  let next = 0
  let hasMoved = false
  let restUntilMs = 0

  /**
   * Whether those that wake take others' places: copies would not stay, so that experts are placed when they wake, and then only. Where it is the budget that is short
   * there is no room for a copy anyway.
   */
  const isPaging = (layer: ExpertLayer): boolean => {
    const l = layers.indexOf(layer)
    return numHeld[l]! < layer.numExperts && numHeld[l]! >= residency.limits.targets[l]!
  }

  /** Returns bytes a second of a copy into fresh memory of another domain and its verification. */
  const measureCopy = (instance: number): number => {
    const from = frames[instance]!
    const to = arena.allocate(from.bytes, "whole", (arena.domainOf(from) + 1) % domains.numDomains)
    const startMs = performance.now()
    arena.bytes(to).set(arena.bytes(from))
    Bun.hash.xxHash3(arena.bytes(to))
    const ms = performance.now() - startMs
    arena.free(to)
    return (from.bytes / ms) * 1000
  }

  /**
   * Returns what moves cost and balance is worth. Loads are milliseconds of a second, so that a token of `MoveCost` is a millisecond here, and a step a second.
   *
   * A copy's rate is measured once, the best of three. A layer's time is what its experts took; it is taken for that of its fullest domain, as domains work side by
   * side: a millisecond less of that one's load makes the layer faster by more than a millisecond.
   */
  const costOf = ({ instances, placement, load }: LayerPlacement): MoveCost => {
    const expertBytes = frames[instances[0]!]!.bytes
    const busyMs = load.reduce((sum, one) => sum + one, 0)
    const msPerToken = busyMs / Math.max(...domainLoads(placement, load))
    copyBytesPerSec ??= Math.max(...[0, 1, 2].map(() => measureCopy(instances[0]!)))
    return { expertBytes, bytesPerSec: copyBytesPerSec, msPerToken, numSteps: BELIEVED_SEC, maxMoves: MOST_MOVES }
  }

  const plan = (described: LayerPlacement): readonly ExpertMove[] => {
    const { instances, placement, load } = described
    const { numDomains, expertIds } = placement
    if (balancedness(placement, load) > 1 - LEAST_GAIN) return []
    // Empty places are experts without load; which of them lies where is all the same.
    const places = Array.from(expertIds, (_, i) => load[i] ?? 0)
    const shape = { numPlaces: places.length, numDomains, numGroups: 1, numNodes: 1, separatesCopies: false }
    const wanted = placeExperts(places, shape)
    const target = { numDomains, expertIds: wanted.expertIds.map((i) => Math.min(i, instances.length)) }
    const [before, after] = [placement, target].map((of) => Math.max(...domainLoads(of, load))) as [number, number]
    if (before - after < LEAST_GAIN * before) return []
    return planMoves(placement, target, load, costOf(described))
  }

  /** Returns whether it moved somebody. */
  const rebalance = (layer: ExpertLayer): boolean => {
    if (isPaging(layer) || !residency.hasRoom()) return false
    const described = domains.describe(layer)
    const { instances, placement } = described
    const perDomain = placement.expertIds.length / placement.numDomains
    let numMoved = 0
    for (const { place, expertId: i } of plan(described)) {
      const instance = instances[i]
      if (instance === undefined) continue
      const [from] = residency.domainsOf(instance)
      const to = Math.floor(place / perDomain)
      if (from === to || !residency.move(instance, to)) continue
      numMoved++
      const expert = table.expertIds[instance]!
      onChange({ layer: layer.layer, expert, change: "moved", detail: `from memory domain ${from} to ${to}` })
    }
    return numMoved > 0
  }

  /** Turns to the next layer. */
  const goOn = (): void => {
    next = (next + 1) % layers.length
    if (next > 0) return
    restUntilMs = nowMs() + REST_MS
    if (hasMoved) residency.trim()
    hasMoved = false
  }

  return {
    stepDone() {
      if (domains.numDomains === 1 || nowMs() < restUntilMs) return
      const startMs = performance.now()
      if (!rebalance(layers[next]!)) return goOn()
      hasMoved = true
      restUntilMs = nowMs() + (performance.now() - startMs) / SHARE_OF_TIME
    },
  }
}
