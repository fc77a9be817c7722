/** Which expert's copy each place of a layer holds: `[numPlaces]`, the places of one domain together, the domains of one node together. */
export interface Placement {
  readonly numDomains: number
  readonly expertIds: Int32Array
}

/** Returns the load of each domain: an expert's is shared evenly by its copies. @param load `[E]` */
export function domainLoads({ numDomains, expertIds }: Placement, load: ArrayLike<number>): Float64Array {
  const counts = copiesPerExpert(expertIds, load.length)
  const loads = new Float64Array(numDomains)
  const perDomain = expertIds.length / numDomains
  for (const [place, expertId] of expertIds.entries()) {
    loads[Math.floor(place / perDomain)]! += load[expertId]! / counts[expertId]!
  }
  return loads
}

/** Returns the mean load of a domain over the largest, in (0, 1]: the share of the domains' time that is used; 1 without load. */
export function balancedness(placement: Placement, load: ArrayLike<number>): number {
  const loads = domainLoads(placement, load)
  const most = Math.max(...loads)
  return most > 0 ? loads.reduce((sum, one) => sum + one, 0) / loads.length / most : 1
}

/** Returns how many copies each expert has, `[E]`. */
export function copiesPerExpert(expertIds: Int32Array, numExperts: number): Int32Array {
  const counts = new Int32Array(numExperts)
  for (const expertId of expertIds) counts[expertId]!++
  return counts
}
