/** A layer whose router runs where its experts do: nothing of it is seen before the step has ended. */
import type { Routing } from "@consilium/gating"
import type { Backend, RoutedLayer, Rows, Slab } from "@consilium/kernels"
import { allocateRows } from "./allocateRows.ts"
import type { MoeLayer, MoeOptions, MoeScratch } from "./MoeWeights.ts"
import { planDispatch } from "./planDispatch.ts"

/** What a layer needs to be routed on the device. */
export interface DeviceRoutedLayer {
  /** `[T, 3K]`: ids, weights and norms of outputs, once they were read. */
  readonly routed: Rows
  readonly layer: { -readonly [Key in keyof RoutedLayer]: RoutedLayer[Key] }
  /** `[A]` norms of outputs, in the order of the plan. */
  readonly norms: Float32Array
}

/** Returns what routes the layer on its backend's device; undefined where the backend, or the router, is not made for it. */
export function createDeviceRoutedLayer(
  { backend, config, router, experts, sharedExpert }: MoeLayer,
  maxTokens: number,
): DeviceRoutedLayer | undefined {
  if (!supportsRouting(backend, experts.format) || router.kind !== "slab" || config.router.kind !== "top-k")
    return undefined
  const { topK, score, normalizesWeights, groups, normEpsilon = 0, scale = 1, temperature = 1 } = config.router
  if (groups !== undefined) return undefined
  const [routed] = allocateRows(backend.arena, [[maxTokens, 3 * topK]])
  const slabs: readonly Slab[] = []
  const weighing = { score, normalizesWeights, normEpsilon, scale, temperature }
  const layer = { router: router.slab, slabs, topK, ...weighing, sharedExpert }
  return { routed: routed!, layer, norms: new Float32Array(maxTokens * topK) }
}

function supportsRouting(backend: Backend, format: Parameters<Backend["supports"]>[1]): boolean {
  return backend.endStep !== undefined && backend.supports("routedExperts", format)
}

/**
 * Runs the layer on the device, where nobody steers its router and all experts are there: returns false where it has to be run as ever.
 *
 * @param out    `[T, H]`; must not be `hidden`
 * @param hidden `[T, H]`
 */
export function runOnDevice(
  { routed, layer: routedLayer }: DeviceRoutedLayer,
  out: Rows,
  hidden: Rows,
  numTokens: number,
  { backend, experts }: MoeLayer,
  { logits }: MoeScratch,
  options: MoeOptions,
): boolean {
  if (isSteered(options)) return false
  const slabs = experts.all?.(numTokens)
  if (slabs === undefined) return false
  routedLayer.slabs = slabs
  if (backend.holdsLayer?.(routedLayer) === false) return false
  backend.routedExperts!(out, routed, logits, hidden, numTokens, routedLayer)
  return true
}

function isSteered({ availability, selectionBias, routerNoise, capacity, routing, taskIds }: MoeOptions): boolean {
  return [availability, selectionBias, routerNoise, capacity, routing, taskIds].some((option) => option !== undefined)
}

/** Writes how the layer was routed, and tells its experts' source: once `routed` has been read. */
export function readRouting(
  out: Routing,
  { routed, norms }: DeviceRoutedLayer,
  numTokens: number,
  { experts }: MoeLayer,
  { plan }: MoeScratch,
): void {
  const { topK } = out
  const { values, width } = routed
  out.numTokens = numTokens
  for (let t = 0; t < numTokens; t++) {
    for (let k = 0; k < topK; k++) {
      out.expertIds[t * topK + k] = values[t * width + k]!
      out.weights[t * topK + k] = values[t * width + topK + k]!
    }
  }
  if (experts.noteRun === undefined) return
  planDispatch(plan, experts.assign?.(out) ?? out)
  for (let a = 0; a < numTokens * topK; a++) {
    const norm = values[Math.floor(a / topK) * width + 2 * topK + (a % topK)]!
    norms[plan.rows[a]!] = norm
  }
  experts.noteRun(plan, norms)
}
