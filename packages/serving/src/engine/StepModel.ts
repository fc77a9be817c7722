import type { Backend } from "@consilium/kernels"
import type { Transformer } from "@consilium/model"

/** The part of a transformer that steps need. */
export type StepModel = Pick<
  Transformer,
  "config" | "numSlots" | "capacity" | "maxRows" | "run" | "logits" | "copyPrefix" | "routing"
> & {
  /** Bytes of one expert of a layer. */
  expertBytes(layer: number): number
  readonly backend: Pick<Backend, "kernelMs">
}
