/**
 * A layer of experts: each token visits the few that its router chooses.
 *
 *     route → planDispatch → dispatch → run experts → combine (+ shared expert)
 *
 * This is the front page of Consilium. It knows nothing of transformers, files or requests; what an expert computes, and on which
 * hardware, is the backend's affair.
 *
 * @see Shazeer et al., "Outrageously Large Neural Networks", arXiv:1701.06538; Switch Transformers, arXiv:2101.03961
 */
import { route, type Routing } from "@consilium/gating"
import type { Rows } from "@consilium/kernels"
import { addSharedExpert } from "./addSharedExpert.ts"
import { combine } from "./combine.ts"
import type { MoeConfig, MoeLayer, MoeOptions, MoeScratch } from "./MoeWeights.ts"
import { planDispatch } from "./planDispatch.ts"
import { routerLogits } from "./routerLogits.ts"
import { runExperts } from "./runExperts.ts"

const NO_OPTIONS: MoeOptions = {}

/**
 * Writes the layer's output for tokens `0 .. numTokens`, without the residual, and returns how they were routed.
 *
 * A token's output does not depend on its neighbours, except where `capacity` makes them compete. Allocates nothing with a slab router.
 *
 * @param out    `[T, H]`; must not be `hidden`
 * @param hidden `[T, H]`
 * @throws Error when a given routing is of another batch, or the scratch was made for fewer tokens
 */
export function moeLayer(
  out: Rows,
  hidden: Rows,
  numTokens: number,
  layer: MoeLayer,
  scratch: MoeScratch,
  options: MoeOptions = NO_OPTIONS,
): Routing {
  const { config, backend, experts, sharedExpert } = layer

  routerLogits(scratch.logits, hidden, numTokens, layer, options.taskIds)
  backend.read?.(scratch.logits, numTokens)
  backend.sync?.()
  const routing =
    options.routing ?? route(scratch.routing, scratch.logits.values, numTokens, config.router, scratch.route, options)
  checkRouting(routing, numTokens, config)

  const plan = planDispatch(scratch.plan, experts.assign?.(routing) ?? routing, options.capacity)
  shareRows(scratch.expertRows, routing)
  runExperts(scratch.outputs, hidden, plan, layer, scratch)
  if (backend.supports("experts", experts.format)) backend.combine!(out, scratch.outputs, scratch.expertRows)
  else {
    backend.read?.(scratch.outputs, plan.offsets[plan.offsets.length - 1]!)
    backend.sync?.()
    combine(out, scratch.outputs, plan, routing)
    backend.wrote?.(out)
  }

  if (sharedExpert !== undefined) addSharedExpert(out, hidden, numTokens, sharedExpert, backend, scratch)
  return routing
}

/** Fills in what a backend wants to know beside the plan, of which `rows` holds the arrays. */
function shareRows(rows: MoeScratch["expertRows"], { numTokens, topK, weights }: Routing): void {
  rows.numTokens = numTokens
  rows.topK = topK
  rows.weights = weights
}

/** Rows that a routing does not name would keep old values. */
function checkRouting(routing: Routing, numTokens: number, { topK }: MoeConfig): void {
  if (routing.numTokens === numTokens && routing.topK === topK) return
  throw new Error(
    `expected a routing of ${numTokens} tokens to ${topK} experts each, found ${routing.numTokens} to ${routing.topK}`,
  )
}
