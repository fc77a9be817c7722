import {
  createRouteScratch,
  createRouting,
  type LinearRouter,
  type MlpRouter,
  type RouteOptions,
  type RouterConfig,
  type RouteScratch,
  type Routing,
} from "@consilium/gating"
import type { Backend, ExpertRows, Rows, Slab } from "@consilium/kernels"
import { allocateRows } from "./allocateRows.ts"
import { createDispatchPlan, type DispatchPlan } from "./DispatchPlan.ts"
import type { ExpertSource } from "./ExpertSource.ts"

/** Frozen description of a layer of experts. */
export interface MoeConfig {
  readonly hiddenSize: number
  readonly numExperts: number
  readonly topK: number
  readonly router: RouterConfig
}

/** Where router logits come from: a slab of weights, as in checkpoints, or a router in plain TypeScript. */
export type Router = { readonly kind: "slab"; readonly slab: Slab } | LinearRouter | MlpRouter

/** An expert that every token visits, weighted by sigmoid(gate · hidden) where it has a gate `[H]`. */
export interface SharedExpert {
  readonly slab: Slab
  readonly gate: Float32Array | undefined
}

/** A layer's read-only weights, open on a backend. */
export interface MoeLayer {
  readonly config: MoeConfig
  readonly backend: Backend
  readonly router: Router
  readonly experts: ExpertSource
  readonly sharedExpert: SharedExpert | undefined
}

/** What a call may be told from outside. */
export interface MoeOptions extends RouteOptions {
  /** `[T]` task types, for a router that has them. */
  readonly taskIds?: Int32Array
  /** Uses this routing instead of the router's own: to compare backends, or to replay a trace. */
  readonly routing?: Routing
}

/** Buffers of one call, allocated once; layers of the same shape share them. After a call they hold what it did. */
export interface MoeScratch {
  /** `[T, E]` router logits. */
  readonly logits: Rows
  readonly routing: Routing
  readonly route: RouteScratch
  readonly plan: DispatchPlan
  /** The plan and the routing's weights, as a backend takes them. */
  readonly expertRows: { -readonly [Key in keyof ExpertRows]: ExpertRows[Key] }
  /** `[T * K, H]` dispatched rows, and what the experts made of them. */
  readonly dispatched: Rows
  readonly outputs: Rows
  /** `[T, H]` and `[T]` of the shared expert. */
  readonly shared: Rows
  readonly sharedWeights: Float32Array
}

/** Allocates scratch in the backend's arena for up to `maxTokens` tokens. @throws Error when the arena is full, keeping nothing */
export function createMoeScratch(
  { config, experts, backend: { arena } }: Pick<MoeLayer, "config" | "experts" | "backend">,
  maxTokens: number,
): MoeScratch {
  const { hiddenSize, numExperts, topK } = config
  const maxAssignments = maxTokens * topK
  const [logits, dispatched, outputs, shared] = allocateRows(arena, [
    [maxTokens, numExperts],
    [maxAssignments, hiddenSize],
    [maxAssignments, hiddenSize],
    [maxTokens, hiddenSize],
  ])
  const routing = createRouting(maxTokens, topK)
  const plan = createDispatchPlan(maxAssignments, experts.numExperts)
  const { order, offsets, rows } = plan
  return {
    logits,
    routing,
    route: createRouteScratch(numExperts),
    plan,
    expertRows: { numTokens: 0, topK, order, offsets, rows, weights: routing.weights },
    dispatched,
    outputs,
    shared,
    sharedWeights: new Float32Array(maxTokens),
  }
}
