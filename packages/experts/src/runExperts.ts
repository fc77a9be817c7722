import type { Backend, Rows, Slab } from "@consilium/kernels"
import { dispatch } from "./dispatch.ts"
import { type DispatchPlan, numRowsOf } from "./DispatchPlan.ts"
import type { MoeLayer, MoeScratch } from "./MoeWeights.ts"

/**
 * Runs every expert that has rows over its rows, in the turns in which they become ready: outputs `[A, H]`. Each expert's weights are read once.
 *
 * Those of a turn run together where the backend can; where it cannot, rows are dispatched first. A row's bits do not depend on the turns.
 */
export function runExperts(
  outputs: Rows,
  hidden: Rows,
  plan: DispatchPlan,
  layer: MoeLayer,
  scratch: MoeScratch,
): void {
  const { backend, experts } = layer
  const runsTogether = backend.supports("experts", experts.format)
  let isDispatched = false
  experts.begin(plan)
  for (let ready = experts.next(); ready !== undefined; ready = experts.next()) {
    const { standIn } = experts
    if (runsTogether && standIn === undefined) backend.experts!(outputs, hidden, scratch.expertRows, ready)
    else {
      showRows(layer, outputs, hidden, plan, scratch)
      if (!isDispatched) {
        dispatch(scratch.dispatched, hidden, plan, layer.config.topK)
        backend.wrote?.(scratch.dispatched)
      }
      isDispatched = true
      runOneByOne(outputs, scratch.dispatched, plan, ready, standIn ?? backend)
      if (standIn !== undefined) backend.wrote?.(outputs)
    }
    if (experts.observe === undefined) continue
    showRows(layer, outputs, hidden, plan, scratch)
    experts.observe(outputs, hidden, plan)
  }
}

/** Has the rows of a layer lie in the arena, where its backend keeps them elsewhere. */
function showRows(
  { backend }: MoeLayer,
  outputs: Rows,
  hidden: Rows,
  { offsets }: DispatchPlan,
  { expertRows }: MoeScratch,
): void {
  backend.read?.(outputs, offsets[offsets.length - 1]!)
  backend.read?.(hidden, expertRows.numTokens)
  backend.sync?.()
}

function runOneByOne(
  outputs: Rows,
  dispatched: Rows,
  plan: DispatchPlan,
  ready: readonly (Slab | undefined)[],
  backend: Backend,
): void {
  for (let e = 0; e < ready.length; e++) {
    const slab = ready[e]
    const numRows = numRowsOf(plan, e)
    if (slab !== undefined && numRows > 0) backend.expert(outputs, dispatched, plan.offsets[e]!, numRows, slab)
  }
}
