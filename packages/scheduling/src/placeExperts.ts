import { packBalanced } from "./packBalanced.ts"
import type { Placement } from "./Placement.ts"

/** What there is to place experts in. */
export interface PlacementShape {
  /** Copies of a layer's experts, at least one of each; a multiple of the domains. */
  readonly numPlaces: number
  /** Memory domains: the arenas of NUMA nodes, segments, memories of GPUs. */
  readonly numDomains: number
  /** Groups of experts that a router chooses together; 1 where it knows none. */
  readonly numGroups: number
  /** Machines, each with an equal part of the domains; a group stays on one where groups divide by them. */
  readonly numNodes: number
  /** Whether copies of one expert lie in different domains where that can be: a copy in the same one does not survive it. */
  readonly separatesCopies: boolean
}

/**
 * Decides how many copies each expert of a layer has and which domain holds them, so that the fullest domain has little more than the mean.
 *
 * Groups are packed onto nodes, the experts with the most load per copy are copied inside each node until its places are full, and copies are packed
 * onto its domains. Without `separatesCopies` it is EPLB to the letter.
 *
 * @param load `[E]` tokens or time of each expert, measured or predicted
 * @throws Error on a shape that does not divide
 * @see deepseek-ai/EPLB `eplb.py` (MIT), `rebalance_experts`; separate copies are ours
 */
export function placeExperts(load: ArrayLike<number>, shape: PlacementShape): Placement {
  const isGrouped = shape.numGroups % shape.numNodes === 0
  const { numPlaces, numDomains, separatesCopies } = shape
  const numGroups = isGrouped ? shape.numGroups : 1
  const numNodes = isGrouped ? shape.numNodes : 1
  checkShape(load.length, { ...shape, numGroups, numNodes })

  const placesPerNode = numPlaces / numNodes
  const domainsPerNode = numDomains / numNodes
  const perDomain = numPlaces / numDomains
  const expertIds = new Int32Array(numPlaces)
  for (const [node, experts] of expertsPerNode(load, numGroups, numNodes).entries()) {
    const ofNode = experts.map((expertId) => load[expertId]!)
    const { copies, counts } = copyExperts(ofNode, placesPerNode, separatesCopies ? domainsPerNode : placesPerNode)
    const perCopy = copies.map((i) => ofNode[i]! / counts[i]!)
    const { packs, ranks } = packBalanced(perCopy, domainsPerNode, separatesCopies ? copies : undefined)
    for (const [copy, i] of copies.entries()) {
      expertIds[node * placesPerNode + packs[copy]! * perDomain + ranks[copy]!] = experts[i]!
    }
  }
  return { numDomains, expertIds }
}

/** Returns the experts of each node: whole groups, packed by their load. */
function expertsPerNode(load: ArrayLike<number>, numGroups: number, numNodes: number): readonly number[][] {
  const groupSize = load.length / numGroups
  const groupLoads = Array.from({ length: numGroups }, (_, group) => {
    let sum = 0
    for (let e = group * groupSize; e < (group + 1) * groupSize; e++) sum += load[e]!
    return sum
  })
  const { packs, ranks } = packBalanced(groupLoads, numNodes)
  const nodes = Array.from({ length: numNodes }, () => Array.from({ length: load.length / numNodes }, () => 0))
  for (let group = 0; group < numGroups; group++) {
    for (let i = 0; i < groupSize; i++) nodes[packs[group]!]![ranks[group]! * groupSize + i] = group * groupSize + i
  }
  return nodes
}

/** Returns which expert each copy is of, originals first, and how many each has: the next copy is of the expert with the most load per copy. */
function copyExperts(
  load: readonly number[],
  numCopies: number,
  mostOfOne: number,
): { readonly copies: readonly number[]; readonly counts: readonly number[] } {
  const counts = load.map(() => 1)
  const copies = load.map((_, i) => i)
  while (copies.length < numCopies) {
    const most = (isOpen: (i: number) => boolean): number => {
      let best = -1
      for (let i = 0; i < load.length; i++) {
        if (isOpen(i) && (best < 0 || load[i]! / counts[i]! > load[best]! / counts[best]!)) best = i
      }
      return best
    }
    const separable = most((i) => counts[i]! < mostOfOne)
    const next = separable >= 0 ? separable : most(() => true)
    copies.push(next)
    counts[next]!++
  }
  return { copies, counts }
}

function checkShape(numExperts: number, { numPlaces, numDomains, numGroups, numNodes }: PlacementShape): void {
  const divides = (name: string, total: number, by: string, parts: number): void => {
    if (total % parts !== 0) throw new Error(`placeExperts: ${total} ${name} do not divide by ${parts} ${by}`)
  }
  divides("experts", numExperts, "groups", numGroups)
  divides("places", numPlaces, "domains", numDomains)
  divides("domains", numDomains, "nodes", numNodes)
  if (numPlaces < numExperts) {
    throw new Error(`placeExperts: ${numPlaces} places hold no copy of each of ${numExperts} experts`)
  }
}
