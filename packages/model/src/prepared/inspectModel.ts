import { openCheckpoint } from "../checkpoint/openCheckpoint.ts"
import { loadModelConfig } from "../families/loadModelConfig.ts"
import { stateBytesPerPosition } from "../forward/LayerState.ts"
import type { FeedForwardConfig, ModelConfig } from "../ModelConfig.ts"
import { type ModelFormats, modelFormats } from "./ModelFormats.ts"
import { planModel } from "./planModel.ts"
import { storedParts } from "./storedParts.ts"

/** What a checkpoint takes in some formats. */
export interface Packing extends ModelFormats {
  /** Of the prepared model, which is also what its weights take in memory where a backend computes with them as they are packed. */
  readonly bytes: number
  /** Of one routed expert; undefined in a dense model. */
  readonly expertBytes: number | undefined
}

/** What a checkpoint is, and what serving it takes. */
export interface ModelInspection {
  readonly config: ModelConfig
  readonly numParameters: number
  /** Parameters that one token uses. */
  readonly numActiveParameters: number
  readonly checkpointBytes: number
  readonly packings: readonly Packing[]
  readonly stateBytesPerPosition: number
}

/** Inspects a checkpoint without reading its weights. @throws CheckpointError */
export function inspectModel(dir: string): ModelInspection {
  const { family, config } = loadModelConfig(dir)
  const checkpoint = openCheckpoint(dir)
  try {
    const packing = (formats: ModelFormats): Packing => {
      const recipe = planModel(checkpoint, family, config, formats)
      const sparse = config.layers.findIndex(({ feedForward }) => feedForward.kind === "moe")
      return {
        ...formats,
        bytes: storedParts(recipe).reduce((sum, { bytes }) => sum + bytes, 0),
        expertBytes: recipe.layers[sparse]?.experts[0]?.bytes,
      }
    }
    const formats = [modelFormats("f32"), modelFormats("int8"), modelFormats("int4"), modelFormats("int4", "int4")]
    return {
      config,
      ...countParameters(config),
      checkpointBytes: checkpoint.fileBytes,
      packings: formats.map(packing),
      // In f32, which is the most that a backend may want.
      stateBytesPerPosition: stateBytesPerPosition({ config, format: "f32" }, { cacheFormats: [] }),
    }
  } finally {
    checkpoint.close()
  }
}

function countParameters({ hiddenSize, vocabSize, isTied, layers }: ModelConfig): {
  numParameters: number
  numActiveParameters: number
} {
  const vocabulary = vocabSize * hiddenSize
  const attention = layers.reduce(
    (sum, { attention: { numHeads, numKvHeads, headDim } }) =>
      sum + (2 * numHeads + 2 * numKvHeads) * headDim * hiddenSize,
    0,
  )
  const total = layers.reduce((sum, { feedForward }) => sum + feedForwardParameters(feedForward, hiddenSize, false), 0)
  const active = layers.reduce((sum, { feedForward }) => sum + feedForwardParameters(feedForward, hiddenSize, true), 0)
  const dense = vocabulary * (isTied ? 1 : 2) + attention
  return { numParameters: dense + total, numActiveParameters: dense + active }
}

function feedForwardParameters(feedForward: FeedForwardConfig, hiddenSize: number, isActive: boolean): number {
  if (feedForward.kind === "dense") return 3 * hiddenSize * feedForward.intermediateSize
  const { numExperts, topK, expertIntermediateSize, sharedExpert } = feedForward
  const shared = 3 * hiddenSize * (sharedExpert?.intermediateSize ?? 0)
  return shared + numExperts * hiddenSize + (isActive ? topK : numExperts) * 3 * hiddenSize * expertIntermediateSize
}
