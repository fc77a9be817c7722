/** Which memory domain each expert lies in, and which one is for whom. Plain; where there is one domain every answer is known before it is asked. */
import type { Arena } from "@consilium/kernels"
import { balancedness, type Placement } from "@consilium/scheduling"
import type { ExpertLoad } from "./ExpertLoad.ts"
import { type ExpertLayer, type ExpertTable, STATE } from "./ExpertTable.ts"

/** A layer as `placeExperts` sees it. */
export interface LayerPlacement {
  /** Awake instances that compute where they lie. */
  readonly instances: readonly number[]
  /** Places hold indices of `instances`; `instances.length` where there is nobody. */
  readonly placement: Placement
  /** `[instances.length + 1]` milliseconds of each second that go into computing them; nobody's are 0. */
  readonly load: readonly number[]
}

export interface ExpertDomains {
  readonly numDomains: number
  /**
   * Returns the domain for an instance that wakes: its layer's least loaded of those that do not hold their share of its experts; ties go to the one that holds fewer,
   * then to the lower.
   *
   * @param other the domain of its first copy: the second one lies in another, the least loaded of these
   */
  choose(instance: number, other?: number): number
  describe(layer: ExpertLayer): LayerPlacement
  /** Returns the mean load of a domain over the largest, of the worst layer; 1 where there is one domain. */
  balance(): number
}

interface ExpertDomainsOptions {
  readonly table: ExpertTable
  readonly arena: Arena
  readonly load: Pick<ExpertLoad, "timeShare">
  /** Whether an instance's load is here to stay: it neither drains nor fails. */
  readonly isSettled: (instance: number) => boolean
}

export function createExpertDomains({ table, arena, load, isSettled }: ExpertDomainsOptions): ExpertDomains {
  const { layers, layerOf, frames, states } = table
  const { numDomains } = arena
  const loads = new Float64Array(numDomains)
  const counts = new Int32Array(numDomains)

  /** Sums up a layer by domain, into `loads` and `counts`. */
  const count = ({ first, numInstances }: ExpertLayer): void => {
    loads.fill(0)
    counts.fill(0)
    for (let instance = first; instance < first + numInstances; instance++) {
      const frame = frames[instance]
      if (frame === undefined) continue
      const domain = arena.domainOf(frame)
      loads[domain]! += load.timeShare(instance)
      counts[domain]!++
    }
  }

  const describe = ({ first, numInstances }: ExpertLayer): LayerPlacement => {
    const held = Array.from({ length: numInstances }, (_, place) => first + place).filter(
      (instance) => states[instance] === STATE.awake && frames[instance] !== undefined && isSettled(instance),
    )
    const domains = Array.from({ length: numDomains }, (): number[] => [])
    for (const [i, instance] of held.entries()) domains[arena.domainOf(frames[instance]!)]!.push(i)
    const most = domains.reduce((longest, { length }) => Math.max(longest, length), Math.ceil(held.length / numDomains))
    const expertIds = new Int32Array(most * numDomains).fill(held.length)
    for (const [domain, ids] of domains.entries()) expertIds.set(ids, domain * most)
    const busyMs = held.map((instance) => load.timeShare(instance) * 1000)
    return { instances: held, placement: { numDomains, expertIds }, load: [...busyMs, 0] }
  }

  return {
    numDomains,
    choose(instance, other = -1) {
      if (numDomains === 1) return 0
      count(layers[layerOf[instance]!]!)
      const numHeld = counts.reduce((sum, held) => sum + held, 0)
      const share = other < 0 ? Math.ceil((numHeld + 1) / numDomains) : Number.POSITIVE_INFINITY
      let best = -1
      for (let domain = 0; domain < numDomains; domain++) {
        if (domain === other || counts[domain]! >= share) continue
        const isLess =
          best < 0 ||
          loads[domain]! < loads[best]! ||
          (loads[domain] === loads[best] && counts[domain]! < counts[best]!)
        if (isLess) best = domain
      }
      return best
    },
    describe,
    balance() {
      if (numDomains === 1) return 1
      return layers.reduce((worst, layer) => {
        const { placement, load: of } = describe(layer)
        return Math.min(worst, balancedness(placement, of))
      }, 1)
    },
  }
}
