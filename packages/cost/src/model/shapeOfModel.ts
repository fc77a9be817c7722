import type { ModelConfig, ModelInspection, Packing } from "@consilium/model"
import type { ModelShape } from "./ModelShape.ts"

/**
 * Returns the shape of a model of ours as it is packed: bytes per weight are those on disk, with scales and padding.
 *
 * @throws Error on layers whose experts differ in number or size: no family of ours has such
 */
export function shapeOfModel(
  { config, numParameters }: Pick<ModelInspection, "config" | "numParameters">,
  { bytes, expertBytes = 0 }: Pick<Packing, "bytes" | "expertBytes">,
): ModelShape {
  const { numMoeLayers, numExperts, topK, numExpertParameters } = routedExperts(config)
  const numRouted = numMoeLayers * numExperts
  const numLookupParameters = config.isTied ? 0 : config.vocabSize * config.hiddenSize
  const numUnrouted = numParameters - numRouted * numExpertParameters
  return {
    numSharedParameters: numUnrouted - numLookupParameters,
    numLookupParameters,
    numExpertParameters,
    numMoeLayers,
    numExperts,
    topK,
    sharedBytesPerWeight: (bytes - numRouted * expertBytes) / numUnrouted,
    expertBytesPerWeight: numRouted === 0 ? 0 : expertBytes / numExpertParameters,
  }
}

type RoutedExperts = Pick<ModelShape, "numMoeLayers" | "numExperts" | "topK" | "numExpertParameters">

function routedExperts({ hiddenSize, layers }: ModelConfig): RoutedExperts {
  const sparse = layers.flatMap(({ feedForward }) => (feedForward.kind === "moe" ? [feedForward] : []))
  const [first] = sparse
  if (first === undefined) return { numMoeLayers: 0, numExperts: 1, topK: 1, numExpertParameters: 0 }
  const { numExperts, topK, expertIntermediateSize } = first
  const isAlike = sparse.every(
    (other) =>
      other.numExperts === numExperts && other.topK === topK && other.expertIntermediateSize === expertIntermediateSize,
  )
  if (!isAlike) throw new Error("expected layers with experts of one number and size, found several")
  return {
    numMoeLayers: sparse.length,
    numExperts,
    topK,
    numExpertParameters: 3 * hiddenSize * expertIntermediateSize,
  }
}
