import { createFeaturizer, type FeatureRow } from "../features/FeatureTable.ts"
import { requestFeatures } from "../features/requestFeatures.ts"
import { type RoutedRequest, taskOf } from "../RequestRouter.ts"
import { createRouterScratch, requestLogits } from "./requestLogits.ts"
import type { RouterWeights } from "./RouterWeights.ts"

/** A router's way from a request to logits, with the buffers that it needs. */
export interface Scorer {
  features(request: RoutedRequest): FeatureRow
  /** Before the temperature, `[E]`. */
  logits(request: RoutedRequest): Float32Array
}

/** Prepares weights for scoring. */
export function createScorer(weights: RouterWeights): Scorer {
  const featurize = createFeaturizer(weights.features)
  const scratch = createRouterScratch(weights)
  const features = (request: RoutedRequest): FeatureRow =>
    requestFeatures(request, featurize, weights.features.hashes.length, weights.embeddingSize)
  return {
    features,
    logits(request) {
      const out = new Float32Array(weights.experts.length)
      requestLogits(out, features(request), taskOf(request), weights, scratch)
      return out
    },
  }
}
