/** The first of the three stages: what each expert is worth to a request, before anybody looks at the load. */
import type { ExpertConfig, FleetConfig } from "../config/FleetConfig.ts"
import type { RequestRouter, RoutedRequest } from "../router/RequestRouter.ts"
import { createRuleFinder } from "../router/rules/createRuleFinder.ts"

/** Base scores in the fleet's order, and whose rule held. */
export interface BaseScores {
  readonly scores: Float32Array
  /** By which rule one is an expert's; undefined for all others. */
  readonly rules: readonly (string | undefined)[]
}

/** What a rule is worth: more than any router's score, so that no load outweighs it. */
const RULE_SCORE = 2

/**
 * Puts rules and a router together: the first rule that holds is worth more than any score.
 *
 * @throws Error where the router knows an expert that the fleet does not: files of routers were checked before
 */
export function createBaseStage(
  { experts }: Pick<FleetConfig, "experts">,
  router: RequestRouter,
): (request: RoutedRequest) => BaseScores {
  const places = router.experts.map((name) => placeOf(experts, name))
  const findRule = createRuleFinder(experts.map(({ rules }) => rules))
  return (request) => {
    const scores = new Float32Array(experts.length)
    const scored = router.score(request)
    for (let i = 0; i < places.length; i++) scores[places[i]!] = clamp(scored[i]!)
    const found = findRule(request)
    if (found !== undefined) scores[found.place] = RULE_SCORE
    return { scores, rules: experts.map((_, e) => (e === found?.place ? found.reason : undefined)) }
  }
}

function placeOf(experts: readonly ExpertConfig[], name: string): number {
  const place = experts.findIndex((expert) => expert.name === name)
  if (place >= 0) return place
  throw new Error(
    `fleet: expected a router of ${experts.map((expert) => expert.name).join(", ")}, found one that knows ${name}`,
  )
}

/** A router's score is in 0..1; what it does not know is worth nothing. */
const clamp = (score: number): number => (score > 0 ? Math.min(score, 1) : 0)
