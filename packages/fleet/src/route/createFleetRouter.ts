import type { ExpertConfig } from "../config/FleetConfig.ts"
import { createCorrectedRouter, learn } from "../router/feedback/learn.ts"
import type { LearnedRouter } from "../router/learned/createLearnedRouter.ts"
import { gainOf } from "../router/learned/measureTradeOff.ts"
import type { RequestRouter, RoutedRequest } from "../router/RequestRouter.ts"
import { createWordRouter } from "./createWordRouter.ts"

/** What a fleet asks about a request. */
export interface FleetRouter {
  /** Scores experts: a trained router, or words. */
  readonly chooser: RequestRouter
  /** Returns how much likelier the strong expert is right than the cheap one, -1..1; absent without a cost-quality router. */
  readonly gain?: (request: RoutedRequest) => number
  /**
   * Takes one step towards a reward, -1 to 1, and returns the expert's score before and after; absent where nothing is trained.
   *
   * @throws RouterError on an expert that the trained router does not know
   */
  readonly teach?: (request: RoutedRequest, expert: string, reward: number) => TaughtScores
}

export interface TaughtScores {
  readonly before: number
  readonly after: number
}

/** Makes a fleet's router. What feedback has taught it lasts as long as the process: the file stays as it is. */
export function createFleetRouter(
  experts: readonly Pick<ExpertConfig, "name" | "domain" | "description" | "examples">[],
  given: RequestRouter | undefined,
): FleetRouter {
  if (given === undefined) return { chooser: createWordRouter(experts) }
  if (!isLearned(given)) return { chooser: given }
  let taught = createCorrectedRouter(given)
  const teach: FleetRouter["teach"] = (request, expert, reward) => {
    const scoreOf = (): number => taught.score(request)[taught.experts.indexOf(expert)] ?? 0
    const before = scoreOf()
    taught = learn(taught, request, expert, reward)
    return { before, after: scoreOf() }
  }
  const score: RequestRouter["score"] = (request) => taught.score(request)
  // One that compares two experts says nothing about all the others.
  if (given.weights.tradeOff !== undefined)
    return { chooser: createWordRouter(experts), gain: (request) => gainOf(score(request)), teach }
  return { chooser: { experts: given.experts, score }, teach }
}

const isLearned = (router: RequestRouter): router is LearnedRouter => "weights" in router
