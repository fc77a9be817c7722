import type { ModelConfig } from "../ModelConfig.ts"
import type { ConfigFields } from "./ConfigFields.ts"

/** Names of one feed-forward network's projections in the checkpoint. */
export interface ProjectionNames {
  readonly gateProj: string
  readonly upProj: string
  readonly downProj: string
}

/** Where a layer's tensors are in the checkpoint. */
export interface LayerNames {
  readonly attentionNorm: string
  readonly qProj: string
  readonly kProj: string
  readonly vProj: string
  readonly outProj: string
  readonly qNorm: string
  readonly kNorm: string
  readonly feedForwardNorm: string
  readonly dense: ProjectionNames
  readonly router: string
  expert(expertId: number): ProjectionNames
  readonly sharedExpert: ProjectionNames
  readonly sharedExpertGate: string
}

/**
 * A model family: the one file that maps a published layout to our vocabulary. Everything else is shared.
 *
 * Biases are named by replacing the suffix `.weight` with `.bias`. Names that a config has no use for are never read.
 */
export interface Family {
  readonly name: string
  /** `model_type` values of config.json that this family reads. */
  readonly modelTypes: readonly string[]
  /** @throws CheckpointError naming the field, expected and found */
  parseConfig(fields: ConfigFields): ModelConfig
  readonly embedding: string
  readonly finalNorm: string
  readonly head: string
  layer(layer: number): LayerNames
}
