import { createRouteScratch, createRouting, route, type Routing } from "@consilium/gating"
import { type Backend, planMatrixSlab, type Rows, type Slab } from "@consilium/kernels"
import type { PreparedLayer, PreparedModel } from "@consilium/model"
import type { RecordedLayer } from "./moeLayersOf.ts"

/** A backend that also makes forecasts while a model runs on it. */
interface ForeseeingBackend {
  readonly backend: Backend
  /** By layer of the model, of the last step; none for the first layer, nor after a dense one. */
  readonly forecasts: ReadonlyMap<number, Routing>
  /** To be called before each step. */
  beginStep(): void
}

/**
 * Wraps a backend so that it looks at the hidden state after each layer's attention: the first of two residuals that are added to it.
 *
 * @param maxRows most rows of a step
 */
export function createForeseeingBackend(
  plain: Backend,
  prepared: PreparedModel,
  layers: readonly RecordedLayer[],
  maxRows: number,
): ForeseeingBackend {
  const { hiddenSize, normEpsilon } = prepared.config
  const normed = plain.arena.rows(maxRows, hiddenSize)
  const logits = plain.arena.rows(maxRows, layers[0]!.numExperts)
  const scratch = createRouteScratch(layers[0]!.numExperts)
  const targets = new Map(
    layers.slice(1).map(({ layer, topK, router, prepared: { router: slab, feedForwardNorm } }) => {
      const routing = createRouting(maxRows, topK)
      return [layer, { slab: openRouter(plain, prepared, slab!), feedForwardNorm, router, routing }]
    }),
  )
  let hidden: Rows | undefined
  let numAdded = 0
  const backend: Backend = {
    ...plain,
    addScaled(out, x, numRows, factors) {
      plain.addScaled(out, x, numRows, factors)
      hidden ??= out
      if (out !== hidden) return
      const added = numAdded++
      const target = added % 2 === 0 ? targets.get(added / 2 + 1) : undefined
      if (target === undefined) return
      plain.norm(normed, hidden, numRows, target.feedForwardNorm, normEpsilon)
      plain.matmul(logits, normed, numRows, target.slab)
      route(target.routing, logits.values, numRows, target.router, scratch)
    },
  }
  return {
    backend,
    forecasts: new Map([...targets].map(([layer, { routing }]) => [layer, routing])),
    beginStep() {
      numAdded = 0
    },
  }
}

function openRouter(backend: Backend, prepared: PreparedModel, router: NonNullable<PreparedLayer["router"]>): Slab {
  const { shape } = router
  if (shape.kind !== "matrix") throw new Error("a router is a matrix")
  const span = backend.arena.allocate(router.bytes, "whole")
  prepared.readSlabs(backend.arena, [{ entry: router, span }], () => {})
  return backend.openSlab(span, planMatrixSlab(shape))
}
