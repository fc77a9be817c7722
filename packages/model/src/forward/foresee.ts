import type { DeviceRoutedLayer, MoeLayer, MoeScratch } from "@consilium/experts"
import { createRouting, route, type Routing } from "@consilium/gating"
import type { Backend } from "@consilium/kernels"
import type { Scratch } from "./createScratch.ts"
import type { ModelExperts } from "./ModelExperts.ts"

/** A layer of experts; `index` is its place in the model. */
export interface MoeState {
  readonly index: number
  readonly layer: MoeLayer
  readonly scratch: MoeScratch
  readonly routing: Routing
  /** Undefined where the backend does not route by itself. */
  readonly onDevice: DeviceRoutedLayer | undefined
  /** Whether it did so in this step. */
  isOnDevice: boolean
}

/** A layer of experts that comes later in the step, and the norm before it. */
export interface NextMoe extends Pick<MoeState, "index" | "layer" | "scratch"> {
  readonly norm: Float32Array
  /** What it is expected to choose. */
  readonly foreseen: Routing
}

export function createNextMoe({ index, layer, scratch }: MoeState, norm: Float32Array, maxRows: number): NextMoe {
  return { index, layer, scratch, norm, foreseen: createRouting(maxRows, layer.config.topK) }
}

/**
 * Tells the experts' holder what a later layer is likely to need: its own router, on the hidden state that the present layer's experts see.
 *
 * The residual stream changes little from layer to layer, so most of what it chooses is chosen indeed. Uses `branch`, which is free until the present
 * layer's experts have run, and the router's logits.
 *
 * @see HOBBIT, arXiv:2411.01433 §3.4
 */
export function foresee(
  experts: ModelExperts,
  { index, layer, scratch: moeScratch, norm, foreseen }: NextMoe,
  { hidden, branch }: Scratch,
  numRows: number,
  backend: Backend,
  epsilon: number,
): void {
  if (layer.router.kind !== "slab") return
  backend.norm(branch, hidden, numRows, norm, epsilon)
  backend.matmul(moeScratch.logits, branch, numRows, layer.router.slab)
  backend.read?.(moeScratch.logits, numRows)
  backend.sync?.()
  route(foreseen, moeScratch.logits.values, numRows, layer.config.router, moeScratch.route)
  experts.foresee(index, foreseen.expertIds, numRows * foreseen.topK)
}
