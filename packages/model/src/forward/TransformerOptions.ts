import type { Backend } from "@consilium/kernels"
import type { PreparedModel } from "../prepared/PreparedModel.ts"
import type { ModelExperts } from "./ModelExperts.ts"

export interface TransformerOptions {
  readonly prepared: PreparedModel
  readonly backend: Backend
  readonly numSlots: number
  readonly capacity: number
  readonly maxRows: number
  /** Most logits of one run; `numSlots` unless all rows' logits are wanted. */
  readonly maxLogitRows?: number
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void
  /** Who holds the experts of layers with a router; the transformer itself, all awake, unless given. */
  readonly experts?: ModelExperts
}
