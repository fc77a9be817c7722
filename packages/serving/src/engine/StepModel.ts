import type { Backend } from "@consilium/kernels"
import type { ModelConfig, Transformer } from "@consilium/model"

/** The part of a transformer that steps need; a user's own decoder has it too. */
export type StepModel = Pick<
  Transformer,
  "numSlots" | "capacity" | "maxRows" | "run" | "logits" | "copyPrefix" | "routing"
> & {
  readonly shortlist?: Transformer["shortlist"]
  readonly config: Pick<ModelConfig, "vocabSize" | "layers">
  /** Bytes of one expert of a layer. */
  expertBytes(layer: number): number
  readonly backend: Pick<Backend, "kernelMs">
}
