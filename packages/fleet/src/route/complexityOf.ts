import type { FleetCore } from "../FleetCore.ts"
import type { FleetRequest } from "../FleetRequest.ts"
import type { RoutedRequest } from "../router/RequestRouter.ts"
import type { BaseScores } from "./createBaseStage.ts"
import { type Complexity, measureComplexity } from "./measureComplexity.ts"

/** Returns how complex a request is; undefined where nobody may consult it unasked. A cost-quality router says it, else what can be counted. */
export function complexityOf(
  {
    config: { consult, leastScore },
    router,
  }: Pick<FleetCore, "router"> & {
    readonly config: Pick<FleetCore["config"], "consult" | "leastScore">
  },
  request: FleetRequest,
  routed: RoutedRequest,
  { scores, rules }: BaseScores,
): Complexity | undefined {
  if (consult === undefined || !isFree(request, consult.kind === "synthesis")) return undefined
  // A rule says whose the request is.
  if (rules.some((rule) => rule !== undefined)) return undefined
  const rank = router.gainRank?.(routed)
  if (rank === undefined) return measureComplexity(routed.text, scores, leastScore)
  const percent = `${(100 * rank).toFixed(0)} %`
  return { value: rank, why: `the strong expert gains more by it than by ${percent} of what the router was judged by` }
}

/**
 * Whether one answer may be made of several without being asked to.
 *
 * Calls of tools, several choices, log-probabilities and a trace are one model's; who streams wants text as it is written, which only a synthesis gives.
 */
function isFree(request: FleetRequest, streams: boolean): boolean {
  if (request.target.kind !== "auto" || request.consult !== undefined) return false
  if (request.tools.length > 0 || request.numChoices > 1) return false
  if (request.numTopLogProbs !== undefined || request.trace) return false
  return streams || !request.isStream
}
