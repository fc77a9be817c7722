import type { Backend } from "@consilium/kernels"
import type { Transformer } from "@consilium/model"

/** The part of a transformer that steps need. */
export type StepModel = Pick<
  Transformer,
  "config" | "numSlots" | "capacity" | "maxRows" | "run" | "logits" | "copyPrefix" | "routing"
> & { readonly backend: Pick<Backend, "kernelMs"> }
