import type { RoutedRequest } from "../RequestRouter.ts"
import { RouterError } from "../RouterError.ts"
import { createLearnedRouter, type LearnedRouter } from "./createLearnedRouter.ts"
import { gainOf, SHARES } from "./measureTradeOff.ts"
import type { RouterWeights } from "./RouterWeights.ts"

/**
 * Chooses between a cheap and a strong expert. Scores are the probability that each is right: the first is that of the cheap one sufficing.
 *
 * @see RouteLLM, arXiv:2406.18665 §3
 */
export interface CostRouter extends LearnedRouter {
  /** Returns how much likelier the strong expert is right, -1..1. */
  gain(request: RoutedRequest): number
  /** Returns the gain from which a request goes to the strong expert, so that it gets a share of them, 0..1. */
  thresholdForShare(share: number): number
  /** Returns the least share that closes a part of the gap between always the cheap and always the strong one, 0..1. */
  shareForQuality(part: number): number
}

/** Makes a cost-quality router. @throws RouterError on weights of a router that was not trained as one */
export function createCostRouter(weights: RouterWeights): CostRouter {
  const { tradeOff } = weights
  if (tradeOff === undefined)
    throw new RouterError(
      "expected a router that was trained on a cheap and a strong expert's results, found one that chooses among experts: train it with --cheap and --strong",
    )
  const { thresholds, quality } = tradeOff
  const router = createLearnedRouter(weights)
  return {
    ...router,
    gain: (request) => gainOf(router.score(request)),
    thresholdForShare(share) {
      const place = Math.min(1, Math.max(0, share)) * SHARES
      const low = Math.floor(place)
      const next = thresholds[Math.min(low + 1, SHARES)]!
      return thresholds[low]! + (place - low) * (next - thresholds[low]!)
    },
    shareForQuality(part) {
      const wanted = quality[0]! + part * (quality[SHARES]! - quality[0]!)
      const share = quality.findIndex((reached) => reached >= wanted)
      return share < 0 ? 1 : share / SHARES
    },
  }
}
