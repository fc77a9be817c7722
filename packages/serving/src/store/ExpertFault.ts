/** How an expert showed that it failed. */
export type ExpertFaultKind = "throw" | "non-finite" | "norm" | "checksum" | "deadline" | "host"

/** One expert that failed in a step: what the failover ladder starts from. */
export class ExpertFault extends Error {
  override readonly name = "ExpertFault"
  readonly kind: ExpertFaultKind
  readonly layer: number
  /** The instance's place in its layer: the expert's id, unless another version of it ran. */
  readonly instance: number

  constructor(kind: ExpertFaultKind, layer: number, instance: number, message: string, options?: ErrorOptions) {
    super(`layer ${layer} expert ${instance}: ${message}`, options)
    this.kind = kind
    this.layer = layer
    this.instance = instance
  }
}
