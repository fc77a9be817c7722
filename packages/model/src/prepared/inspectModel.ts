import type { Format } from "@consilium/kernels"
import { openCheckpoint } from "../checkpoint/openCheckpoint.ts"
import { loadModelConfig } from "../families/loadModelConfig.ts"
import { stateBytesPerPosition } from "../forward/LayerState.ts"
import type { FeedForwardConfig, ModelConfig } from "../ModelConfig.ts"
import { planModel } from "./planModel.ts"
import { storedParts } from "./storedParts.ts"

/** What a checkpoint is, and what serving it takes. */
export interface ModelInspection {
  readonly config: ModelConfig
  readonly numParameters: number
  /** Parameters that one token uses. */
  readonly numActiveParameters: number
  readonly checkpointBytes: number
  /** Bytes of the prepared model, which are also what its weights take in memory. */
  readonly bytes: Readonly<Record<Format, number>>
  /** Bytes of one routed expert; undefined in a dense model. */
  readonly expertBytes: Readonly<Record<Format, number>> | undefined
  readonly stateBytesPerPosition: number
}

/** Inspects a checkpoint without reading its weights. @throws CheckpointError */
export function inspectModel(dir: string): ModelInspection {
  const { family, config } = loadModelConfig(dir)
  const checkpoint = openCheckpoint(dir)
  try {
    const bytesIn = (format: Format): { all: number; expert: number } => {
      const recipe = planModel(checkpoint, family, config, format)
      const sparse = config.layers.findIndex(({ feedForward }) => feedForward.kind === "moe")
      return {
        all: storedParts(recipe).reduce((sum, { bytes }) => sum + bytes, 0),
        expert: recipe.layers[sparse]?.experts[0]?.bytes ?? 0,
      }
    }
    const sizes = { f32: bytesIn("f32"), int8: bytesIn("int8"), int4: bytesIn("int4") }
    const of = (key: "all" | "expert") => ({ f32: sizes.f32[key], int8: sizes.int8[key], int4: sizes.int4[key] })
    return {
      config,
      ...countParameters(config),
      checkpointBytes: checkpoint.fileBytes,
      bytes: of("all"),
      expertBytes: sizes.f32.expert === 0 ? undefined : of("expert"),
      stateBytesPerPosition: stateBytesPerPosition(config),
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
