import type { MoeOptions } from "@consilium/experts"
import { balanceBias, drawRouterNoise, expertCapacity, type Routing } from "@consilium/gating"
import type { StepBatch } from "@consilium/model"
import { hash32 } from "@consilium/tensor"
import type { Balance } from "../control.ts"
import type { ExpertLayer, ExpertTable } from "./ExpertTable.ts"

/** What evens out the load of experts: a selection bias that follows it, noise, and a capacity. */
export interface LoadBalance {
  /** Is told of a batch before its layers run. */
  beginStep(batch: StepBatch): void
  /** Returns what a layer's route is told, given what health has to say. */
  options(layer: ExpertLayer, health: MoeOptions): MoeOptions
  /** Is shown how a layer was routed. */
  observe(layer: ExpertLayer, routing: Routing): void
}

interface BalanceOptions {
  readonly table: ExpertTable
  readonly balance: Balance
  readonly maxRows: number
  readonly topKOf: (layer: number) => number
}

/** The bound on what a bias may cost, in scores. */
const MOST_BIAS = 0.1

/**
 * Creates the balance of all layers.
 *
 * Noise follows from layer, position and token id: whoever computes a position, and however often, computes the same, so that a context that is copied
 * from another request, or computed anew, is no other. The bias follows the load, and a capacity makes a step's tokens compete: with them it may be.
 */
export function createBalance({ table, balance, maxRows, topKOf }: BalanceOptions): LoadBalance {
  const { biasRate, routerNoise, capacityFactor } = balance
  const states = table.layers.map(({ layer, numExperts }) => ({
    topK: topKOf(layer),
    bias: new Float32Array(numExperts),
    tokens: new Float64Array(numExperts),
  }))
  const mostExperts = table.layers.reduce((most, { numExperts }) => Math.max(most, numExperts), 0)
  const noise = new Float32Array(routerNoise === 0 ? 0 : maxRows * mostExperts)
  const rowSeeds = new Uint32Array(maxRows)
  let numRows = 0

  const drawNoise = ({ layer, numExperts }: ExpertLayer): Float32Array => {
    for (let row = 0; row < numRows; row++)
      drawRouterNoise(noise, row * numExperts, numExperts, routerNoise, hash32(rowSeeds[row]! + layer))
    return noise
  }

  return {
    beginStep(batch) {
      numRows = batch.numRows
      for (const { firstRow, numRows: count, pastLength } of batch.slots)
        for (let r = 0; r < count; r++)
          rowSeeds[firstRow + r] = hash32(hash32(pastLength + r) + batch.ids[firstRow + r]!)
    },
    options(layer, health) {
      const { topK, bias } = states[table.layerOf[layer.first]!]!
      const numExperts = health.availability?.reduce((sum, is) => sum + is, 0) ?? layer.numExperts
      return {
        ...health,
        ...(biasRate === 0 ? {} : { selectionBias: bias }),
        ...(routerNoise === 0 ? {} : { routerNoise: drawNoise(layer) }),
        ...(capacityFactor === null ? {} : { capacity: expertCapacity(numRows, { numExperts, topK, capacityFactor }) }),
      }
    },
    observe(layer, { numTokens, topK, expertIds }) {
      if (biasRate === 0) return
      const { bias, tokens } = states[table.layerOf[layer.first]!]!
      tokens.fill(0)
      for (let a = 0; a < numTokens * topK; a++) {
        const expertId = expertIds[a]!
        if (expertId >= 0) tokens[expertId]!++
      }
      balanceBias(bias, tokens, { rate: biasRate, most: MOST_BIAS })
    },
  }
}
