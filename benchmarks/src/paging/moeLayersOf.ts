import type { PreparedLayer, PreparedModel } from "@consilium/model"

/** A layer that has experts. */
export interface RecordedLayer {
  /** Its number in the model. */
  readonly layer: number
  readonly numExperts: number
  readonly topK: number
  readonly prepared: PreparedLayer
}

/** Returns the layers that have experts. @throws Error where there is none, or they differ in numbers: no trace holds them */
export function moeLayersOf({ config, layers }: PreparedModel): readonly RecordedLayer[] {
  const found = config.layers.flatMap(({ feedForward }, layer) => {
    if (feedForward.kind === "dense") return []
    const { numExperts, topK } = feedForward
    return [{ layer, numExperts, topK, prepared: layers[layer]! }]
  })
  const [first] = found
  if (first === undefined) throw new Error("a dense model has no routing to record")
  if (found.some(({ numExperts, topK }) => numExperts !== first.numExperts || topK !== first.topK))
    throw new Error("a trace holds layers of equally many experts, as many of them a token")
  return found
}
