import type { MoeOptions } from "@consilium/experts"
import {
  createRouteScratch,
  createRouting,
  route,
  type RouterConfig,
  type Routing,
  routingDrift,
} from "@consilium/gating"
import { createExpertLoad } from "./ExpertLoad.ts"
import type { ExpertLayer, ExpertTable } from "./ExpertTable.ts"

/** What load-aware routing costs and gains, beside the router's own: averages that forget. */
export interface PlainReport {
  /** KL divergence of the weights from the router's own, in nats, and the share of assignments that went elsewhere. */
  readonly drift: { readonly kl: number; readonly moved: number }
  /** Of the worst layer, had the same tokens gone where the router wanted. */
  readonly imbalance: number
}

/** Routes the same tokens as the router alone would, for comparison. */
export interface PlainRouting {
  /**
   * Compares a layer's routing with the router's own, and returns that one: valid until the next call.
   *
   * @param logits `[T, E]` as the router gave them
   * @param health what both are told: going round an expert that failed is no drift
   */
  compare(layer: ExpertLayer, routing: Routing, logits: Float32Array, health: MoeOptions): Routing
  report(): PlainReport
}

interface PlainRoutingOptions {
  readonly table: ExpertTable
  readonly routerOf: (layer: number) => RouterConfig
  readonly maxRows: number
  readonly topK: number
  readonly nowMs: () => number
}

/** Drift takes exponentials: it is measured in one of so many of a layer's steps. Counting is done in all, or imbalances would be of different tokens. */
const SAMPLED = 16
/** What the newest measurement of drift counts, once there are more than its inverse: before, all count alike. */
const WEIGHT = 0.05

export function createPlainRouting({ table, routerOf, maxRows, topK, nowMs }: PlainRoutingOptions): PlainRouting {
  const { layers, layerOf } = table
  const plain = createRouting(maxRows, topK)
  const offsets = new Int32Array(layers.reduce((most, { numInstances }) => Math.max(most, numInstances), 0) + 1)
  const scratches = layers.map(({ numExperts }) => createRouteScratch(numExperts))
  const routers = layers.map(({ layer }) => routerOf(layer))
  const numSteps = new Uint32Array(layers.length)
  const load = createExpertLoad(table, nowMs)
  let drift = { kl: 0, moved: 0 }
  let numMeasured = 0

  const count = (layer: ExpertLayer): void => {
    offsets.fill(0)
    for (let a = 0; a < plain.numTokens * plain.topK; a++) {
      const expertId = plain.expertIds[a]!
      if (expertId >= 0) offsets[expertId + 1]!++
    }
    for (let e = 0; e < layer.numInstances; e++) offsets[e + 1]! += offsets[e]!
    load.observe(layer, offsets)
  }

  return {
    compare(layer, routing, logits, health) {
      const l = layerOf[layer.first]!
      const router = routers[l]!
      route(plain, logits, routing.numTokens, router, scratches[l]!, health)
      count(layer)
      // Layers take turns, so that no step measures all of them.
      if (router.kind === "top-k" && (numSteps[l]!++ + l) % SAMPLED === 0) {
        const { kl, moved } = routingDrift(plain, routing, logits, layer.numExperts, router.score)
        const weight = Math.max(WEIGHT, 1 / ++numMeasured)
        drift = { kl: drift.kl + weight * (kl - drift.kl), moved: drift.moved + weight * (moved - drift.moved) }
      }
      return plain
    },
    report: () => ({ drift, imbalance: load.worstImbalance() }),
  }
}
