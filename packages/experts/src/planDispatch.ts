import type { Routing } from "@consilium/gating"
import type { DispatchPlan } from "./DispatchPlan.ts"

/**
 * Groups assignments by expert with one stable counting sort, dropping those past `capacity` and those routed nowhere (id -1).
 *
 * Tokens keep their order inside an expert, so earlier tokens win a full expert. Allocates nothing.
 *
 * @param routing  expert ids in `[-1, E)`
 * @param capacity most assignments per expert; `Infinity` is dropless
 * @see Switch Transformers, arXiv:2101.03961 §2.2; MegaBlocks, arXiv:2211.15841
 */
export function planDispatch(
  out: DispatchPlan,
  routing: Routing,
  capacity: number = Number.POSITIVE_INFINITY,
): DispatchPlan {
  const { order, offsets, rows, cursor } = out
  const { expertIds } = routing
  const numAssignments = routing.numTokens * routing.topK
  const numExperts = cursor.length
  if (numAssignments > order.length) {
    throw new Error(
      `${numAssignments} assignments exceed a plan of ${order.length}: create the scratch for more tokens`,
    )
  }

  // Counts stand one place to the right, so that their running sums are the offsets.
  offsets.fill(0)
  for (let a = 0; a < numAssignments; a++) {
    const e = expertIds[a]!
    if (e >= numExperts) throw new Error(`assignment ${a} goes to expert ${e} of ${numExperts}`)
    if (e >= 0 && offsets[e + 1]! < capacity) offsets[e + 1]!++
  }
  for (let e = 0; e < numExperts; e++) {
    cursor[e] = offsets[e]!
    offsets[e + 1]! += offsets[e]!
  }

  for (let a = 0; a < numAssignments; a++) {
    const e = expertIds[a]!
    const hasRoom = e >= 0 && cursor[e]! < offsets[e + 1]!
    rows[a] = hasRoom ? cursor[e]! : -1
    if (hasRoom) order[cursor[e]!++] = a
  }
  out.numDropped = numAssignments - offsets[numExperts]!
  return out
}
