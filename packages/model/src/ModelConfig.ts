import type { RouterConfig } from "@consilium/gating"
import type { Activation } from "@consilium/kernels"

/** Rotary embedding parameters as published; `ropeTable` turns them into cosines and sines. */
export interface RopeConfig {
  readonly theta: number
  /** Part of the head that rotates, in dimensions. */
  readonly rotaryDim: number
  readonly isInterleaved: boolean
  readonly scaling:
    | { readonly kind: "none" }
    | { readonly kind: "linear"; readonly factor: number }
    | {
        readonly kind: "llama3"
        readonly factor: number
        readonly lowFreqFactor: number
        readonly highFreqFactor: number
        readonly originalContextLength: number
      }
    | {
        readonly kind: "yarn"
        readonly factor: number
        readonly originalContextLength: number
        readonly betaFast: number
        readonly betaSlow: number
        readonly attentionFactor: number | undefined
      }
}

export interface AttentionConfig {
  readonly kind: "attention"
  readonly numHeads: number
  readonly numKvHeads: number
  readonly headDim: number
  readonly rope: RopeConfig
  readonly hasQkvBias: boolean
  readonly hasOutBias: boolean
  readonly qkNorm: "none" | "head" | "projection"
  /** `Infinity` is full attention. */
  readonly slidingWindow: number
}

export type FeedForwardConfig =
  | {
      readonly kind: "dense"
      readonly intermediateSize: number
      readonly activation: Activation
      readonly hasBias: boolean
    }
  | {
      readonly kind: "moe"
      readonly numExperts: number
      readonly topK: number
      readonly expertIntermediateSize: number
      readonly activation: Activation
      readonly router: RouterConfig
      /** Present where a shared expert runs for every token; `hasGate`: weighted by sigmoid(gate · hidden). */
      readonly sharedExpert: { readonly intermediateSize: number; readonly hasGate: boolean } | undefined
    }

export interface LayerConfig {
  readonly attention: AttentionConfig
  readonly feedForward: FeedForwardConfig
}

/** A checkpoint's architecture in our vocabulary: the same for every family. Frozen. */
export interface ModelConfig {
  readonly family: string
  readonly vocabSize: number
  readonly hiddenSize: number
  readonly contextLength: number
  readonly normEpsilon: number
  /** The head is the embedding matrix. */
  readonly isTied: boolean
  readonly eosIds: readonly number[]
  readonly layers: readonly LayerConfig[]
}

/** Returns how many experts a token visits in a layer, at most; 0 where all layers are dense. */
export function mostExpertsPerToken({ layers }: ModelConfig): number {
  return layers.reduce((most, { feedForward }) => Math.max(most, feedForward.kind === "moe" ? feedForward.topK : 0), 0)
}
