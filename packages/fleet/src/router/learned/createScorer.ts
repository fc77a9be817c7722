import { createFeaturizer, type FeatureRow } from "../features/FeatureTable.ts"
import { requestFeatures } from "../features/requestFeatures.ts"
import { type RoutedRequest, taskOf } from "../RequestRouter.ts"
import { createRouterScratch, requestLogits } from "./requestLogits.ts"
import type { RouterWeights } from "./RouterWeights.ts"

/** A request as a router reads it: everything of it that it looks at. */
export interface ReadRequest {
  readonly row: FeatureRow
  readonly taskId: number
}

/** A router's way from a request to logits, with the buffers that it needs. */
export interface Scorer {
  /** What takes most of the time: read once, score as often as is wanted. */
  read(request: RoutedRequest): ReadRequest
  /** Before the temperature, `[E]`. */
  logits(read: ReadRequest): Float32Array
}

/** Prepares weights for scoring. */
export function createScorer(weights: RouterWeights): Scorer {
  const featurize = createFeaturizer(weights.features)
  const scratch = createRouterScratch(weights)
  return {
    read: (request) => ({
      row: requestFeatures(request, featurize, weights.features.hashes.length, weights.embeddingSize),
      taskId: taskOf(request),
    }),
    logits({ row, taskId }) {
      const out = new Float32Array(weights.experts.length)
      requestLogits(out, row, taskId, weights, scratch)
      return out
    },
  }
}
