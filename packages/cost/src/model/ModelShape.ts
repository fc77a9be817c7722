/** A model as far as its cost goes: how many weights there are, how many a token uses, and what one takes. */
export interface ModelShape {
  /** Weights that every token uses: attention, head, routers, shared experts, dense layers. */
  readonly numSharedParameters: number
  /** Weights of which a token reads one row: an embedding, unless it is the head too. */
  readonly numLookupParameters: number
  /** Weights of one routed expert of one layer. */
  readonly numExpertParameters: number
  /** Layers with routed experts; 0 is a dense model. */
  readonly numMoeLayers: number
  /** Of each such layer. */
  readonly numExperts: number
  readonly topK: number
  readonly sharedBytesPerWeight: number
  readonly expertBytesPerWeight: number
}

/** Returns how many weights there are in all. */
export function totalParameters({
  numSharedParameters,
  numLookupParameters,
  numMoeLayers,
  numExperts,
  numExpertParameters,
}: ModelShape): number {
  return numSharedParameters + numLookupParameters + numMoeLayers * numExperts * numExpertParameters
}

/** Returns how many weights one token uses: P_shared + L·k·P_e. */
export function activeParameters({ numSharedParameters, numMoeLayers, topK, numExpertParameters }: ModelShape): number {
  return numSharedParameters + numMoeLayers * topK * numExpertParameters
}

/**
 * Returns how many of a layer's experts `numRows` rows use together, if each chooses for itself and all are alike: N·(1 − (1 − k/N)^B).
 *
 * Real routers have favourites, so that fewer are used: it is an upper bound of what is read.
 */
export function expertsTouched({ numExperts, topK }: ModelShape, numRows: number): number {
  return numExperts * (1 - (1 - topK / numExperts) ** numRows)
}

/** Returns the bytes of one routed expert of one layer. */
export function expertBytes({ numExpertParameters, expertBytesPerWeight }: ModelShape): number {
  return numExpertParameters * expertBytesPerWeight
}

/** Returns the bytes of routed experts that one token reads, in all layers. */
export function expertBytesPerToken(shape: ModelShape): number {
  return shape.numMoeLayers * shape.topK * expertBytes(shape)
}

/** Returns the bytes of weights that a step of `numRows` rows reads from memory: what is shared once, and each expert that is used once. */
export function weightBytesPerStep(shape: ModelShape, numRows: number): number {
  const { numSharedParameters, sharedBytesPerWeight, numMoeLayers } = shape
  return numSharedParameters * sharedBytesPerWeight + numMoeLayers * expertsTouched(shape, numRows) * expertBytes(shape)
}

/**
 * Returns the resident bytes of the weights while `numAwakePerLayer` experts of each layer are awake; contexts come on top.
 *
 * @param numAwakePerLayer all of them unless given
 */
export function residentBytes(shape: ModelShape, numAwakePerLayer = shape.numExperts): number {
  const { numSharedParameters, numLookupParameters, sharedBytesPerWeight, numMoeLayers } = shape
  const sharedBytes = (numSharedParameters + numLookupParameters) * sharedBytesPerWeight
  return sharedBytes + numMoeLayers * numAwakePerLayer * expertBytes(shape)
}

/** Returns the dense model of the same size: every token uses every expert. */
export function denseOfSameSize(shape: ModelShape): ModelShape {
  return { ...shape, topK: shape.numExperts }
}
