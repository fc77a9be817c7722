import type { FaultKind } from "@consilium/scheduling"

/** One expert that failed in a step: what the failover ladder starts from. */
export class ExpertFault extends Error {
  override readonly name = "ExpertFault"
  readonly kind: FaultKind
  readonly layer: number
  /** The instance's place in its layer: the expert's id, unless another version of it ran. */
  readonly instance: number

  constructor(kind: FaultKind, layer: number, instance: number, message: string, options?: ErrorOptions) {
    super(`layer ${layer} expert ${instance}: ${message}`, options)
    this.kind = kind
    this.layer = layer
    this.instance = instance
  }
}
