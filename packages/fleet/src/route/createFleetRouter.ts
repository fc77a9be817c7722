import type { ExpertConfig } from "../config/FleetConfig.ts"
import { type CorrectedRouter, createCorrectedRouter, learn } from "../router/feedback/learn.ts"
import type { LearnedRouter } from "../router/learned/createLearnedRouter.ts"
import { gainOf, rankOfGain } from "../router/learned/measureTradeOff.ts"
import type { RequestRouter, RoutedRequest, RouterFile } from "../router/RequestRouter.ts"
import { createWordRouter } from "./createWordRouter.ts"

/** What chooses: words of the table, a router that was trained to, words beside one of a cheap and a strong expert, or one that the caller made. */
export type RouterKind = "words" | "choose" | "cost-quality" | "own"

/** What a fleet asks about a request. */
export interface FleetRouter {
  readonly kind: RouterKind
  readonly file: RouterFile | undefined
  /** Requests must carry an embedding of so many values; undefined where they need none. */
  readonly embeddingSize: number | undefined
  /** Returns how many times feedback has moved it. */
  readonly numTaught: () => number
  /** Scores experts: a trained router, or words. */
  readonly chooser: RequestRouter
  /** Returns how much likelier the strong expert is right than the cheap one, -1..1; absent without a cost-quality router. */
  readonly gain?: (request: RoutedRequest) => number
  /** Returns how high its gain is among those of the requests that the router was judged by, 0..1; absent without a cost-quality router. */
  readonly gainRank?: (request: RoutedRequest) => number
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
  const embeddingSize = given?.embeddingSize
  const untaught = { file: undefined, embeddingSize, numTaught: () => 0 }
  if (given === undefined) return { kind: "words", chooser: createWordRouter(experts), ...untaught }
  if (!isLearned(given)) return { kind: "own", chooser: given, ...untaught }
  let taught: CorrectedRouter | undefined
  let numTaught = 0
  const teach: FleetRouter["teach"] = (request, expert, reward) => {
    const read = given.read(request)
    const place = given.experts.indexOf(expert)
    const untaught = taught ?? createCorrectedRouter(given)
    taught = learn(untaught, read, expert, reward)
    numTaught++
    return { before: untaught.scoreRead(read)[place]!, after: taught.scoreRead(read)[place]! }
  }
  const score: RequestRouter["score"] = (request) => (taught ?? given).score(request)
  const learning = { file: given.file, embeddingSize, numTaught: () => numTaught, teach }
  const { tradeOff } = given.weights
  if (tradeOff === undefined) return { kind: "choose", chooser: { experts: given.experts, score }, ...learning }
  const gain = (request: RoutedRequest): number => gainOf(score(request))
  return {
    kind: "cost-quality",
    // One that compares two experts says nothing about all the others.
    chooser: createWordRouter(experts),
    gain,
    gainRank: (request) => rankOfGain(gain(request), tradeOff),
    ...learning,
  }
}

const isLearned = (router: RequestRouter): router is LearnedRouter => "weights" in router
