import { topK as selectTopK } from "@consilium/tensor"
import type { TopKRouterConfig } from "./RouterConfig.ts"
import type { RouteScratch } from "./RouteScratch.ts"

/**
 * Takes the experts of all but the `numKept` best groups out of `choice`; ties go to the lower group.
 *
 * A group that is out is -Infinity, not 0: a negative bias would let 0 win. A group that lost all experts is never kept, and where the kept
 * ones have fewer than `topK` experts left, further groups are kept: a token is not dropped while an expert has room.
 *
 * @see DeepSeek-V2, arXiv:2405.04434 §2.2.2; `inference/model.py` of DeepSeek-V3
 */
export function keepBestGroups(
  scratch: RouteScratch,
  { numGroups, numKept, score }: NonNullable<TopKRouterConfig["groups"]>,
  topK: number,
): void {
  const { numExperts, choice, groupScores, groupIds } = scratch
  const size = numExperts / numGroups
  for (let group = 0; group < numGroups; group++) groupScores[group] = scoreGroup(choice, group * size, size, score)

  const numAlive = selectTopK(groupIds, 0, groupScores, numGroups, numGroups)
  let numOpen = 0
  for (let rank = 0; rank < numAlive; rank++) {
    const first = groupIds[rank]! * size
    if (rank < numKept || numOpen < topK) {
      for (let e = first; e < first + size; e++) if (choice[e] !== Number.NEGATIVE_INFINITY) numOpen++
    } else choice.fill(Number.NEGATIVE_INFINITY, first, first + size)
  }
}

/** Its best expert, or the sum of its two best; where one is left, that one. */
function scoreGroup(choice: Float64Array, first: number, size: number, score: "best" | "two-best"): number {
  let best = Number.NEGATIVE_INFINITY
  let second = Number.NEGATIVE_INFINITY
  for (let e = first; e < first + size; e++) {
    const value = choice[e]!
    if (value > best) {
      second = best
      best = value
    } else if (value > second) second = value
  }
  return score === "best" || second === Number.NEGATIVE_INFINITY ? best : best + second
}
