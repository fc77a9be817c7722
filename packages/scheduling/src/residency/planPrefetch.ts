import type { ExpertGrid } from "../eviction/EvictionPolicy.ts"
import { layersUntil } from "../eviction/layersUntil.ts"
import { freeFrame, type Residency, takeFrame } from "./Residency.ts"

/** Experts to read before they are asked for, and those whose frames they take. */
export interface PrefetchPlan {
  numWoken: number
  readonly wake: Int32Array
  numSlept: number
  readonly sleep: Int32Array
}

/** Allocates for any layer of a model. */
export function createPrefetchPlan({ numExperts }: ExpertGrid): PrefetchPlan {
  return {
    numWoken: 0,
    wake: new Int32Array(numExperts),
    numSlept: 0,
    sleep: new Int32Array(numExperts),
  }
}

/** What a layer that comes is expected to need. */
export interface LayerForecast {
  /** Comes after the one planned last; one that is not behind it in this step is the next step's. */
  readonly layer: number
  /** Expert ids of the layer, the likeliest first; -1 for none. */
  readonly expertIds: Int32Array
  readonly numExpertIds: number
  /** Most experts to read. */
  readonly maxReads: number
}

/**
 * Plans what to read ahead for a layer: the likeliest of those that sleep, in free frames, then in place of what the policy gives up.
 *
 * Never puts to sleep what this layer needs, nor what is forecast for one that has not run yet; a layer that needs the frames itself takes them
 * back. Changes `residency` to what it is once the plan is carried out.
 *
 * @param out written; made for this grid
 */
export function planPrefetch(out: PrefetchPlan, residency: Residency, forecast: LayerForecast): void {
  const { grid, policy, isHeld, keptUntil, turn } = residency
  const { layer, expertIds, numExpertIds, maxReads } = forecast
  const first = layer * grid.numExperts
  const now = Math.max(0, turn) % grid.numLayers
  out.numWoken = 0
  out.numSlept = 0

  // In its own turn, what the layer does not need after all is free to go.
  const untilTurn = turn + layersUntil(layer, now, grid.numLayers) - 0.5
  for (let i = 0; i < numExpertIds; i++) {
    const expert = first + expertIds[i]!
    if (expert >= first && keptUntil[expert]! < turn) keptUntil[expert] = untilTurn
  }
  for (let i = 0; i < numExpertIds && out.numWoken < maxReads; i++) {
    const expert = first + expertIds[i]!
    if (expert < first || isHeld[expert] === 1) continue
    if (residency.numFree === 0) {
      const victim = policy.victim(now, residency.isEvictable)
      if (victim < 0) return
      freeFrame(residency, victim)
      out.sleep[out.numSlept++] = victim
    }
    takeFrame(residency, expert)
    out.wake[out.numWoken++] = expert
  }
}

/** Writes the experts of a layer that comes which its previous step needed, as ids for a forecast, and returns how many. */
export function forecastFromPrevious(out: Int32Array, { grid, lastStep, turn }: Residency, layer: number): number {
  const { numLayers, numExperts } = grid
  const step = Math.floor(turn / numLayers)
  const previous = layer > turn % numLayers ? step - 1 : step
  let n = 0
  for (let id = 0; id < numExperts; id++) if (lastStep[layer * numExperts + id] === previous) out[n++] = id
  return n
}
