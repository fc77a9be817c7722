import {
  createDeviceRoutedLayer,
  createMoeScratch,
  type MoeLayer,
  type MoeScratch,
  residentExperts,
} from "@consilium/experts"
import { createRouting } from "@consilium/gating"
import type { AttentionLayer, RopeTable } from "@consilium/kernels"
import { createRopeTable } from "../families/createRopeTable.ts"
import type { LayerConfig } from "../ModelConfig.ts"
import { createNextMoe, type MoeState, type NextMoe } from "./foresee.ts"
import { chooseCacheFormat, createAttentionLayer, createKvState, type LayerState } from "./LayerState.ts"
import type { LayerSlabs, Weights } from "./loadWeights.ts"
import type { TransformerOptions } from "./TransformerOptions.ts"

/** A layer, ready to run. */
export interface Layer {
  readonly config: LayerConfig
  readonly slabs: LayerSlabs
  readonly attention: AttentionLayer
  readonly state: LayerState
  readonly moe: MoeState | undefined
  /** The next layer with experts, in this step. */
  next: NextMoe | undefined
}

/** Puts together what each layer needs, with state for every slot; layers that are alike share rope tables and scratch. */
export function createLayers(weights: Weights, options: TransformerOptions): Layer[] {
  const { prepared, backend, capacity, maxRows } = options
  const { config } = prepared
  const ropes = new Map<string, RopeTable>()
  const scratches = new Map<string, MoeScratch>()
  const once = <T>(map: Map<string, T>, key: unknown, create: () => T): T => {
    const name = JSON.stringify(key)
    const found = map.get(name) ?? create()
    map.set(name, found)
    return found
  }

  const layers = weights.layers.map((slabs, l): Layer => {
    const layerConfig = config.layers[l]!
    const { attention, feedForward } = layerConfig
    const { qNorm, kNorm, sharedExpertGate } = slabs.prepared
    const rope = once(ropes, attention.rope, () => createRopeTable(attention.rope, capacity))
    const epsilon = config.normEpsilon
    const createMoe = (): Layer["moe"] => {
      if (feedForward.kind === "dense") return undefined
      const { numExperts, topK, router } = feedForward
      const layer: MoeLayer = {
        backend,
        config: { hiddenSize: config.hiddenSize, numExperts, topK, router },
        router: { kind: "slab", slab: slabs.router! },
        experts: options.experts?.source(l) ?? residentExperts(slabs.experts),
        sharedExpert: slabs.sharedExpert && { slab: slabs.sharedExpert, gate: sharedExpertGate },
      }
      const { numExperts: numInstances } = layer.experts
      const scratch = once(scratches, [numExperts, numInstances, topK, router], () => createMoeScratch(layer, maxRows))
      const onDevice = createDeviceRoutedLayer(layer, maxRows)
      return { index: l, layer, scratch, routing: createRouting(maxRows, topK), onDevice, isOnDevice: false }
    }
    return {
      config: layerConfig,
      slabs,
      attention: createAttentionLayer(attention, { qNorm, kNorm, epsilon }, rope),
      state: createKvState(backend, attention, {
        ...options,
        cacheFormat: chooseCacheFormat(attention, prepared.format, backend),
      }),
      moe: createMoe(),
      next: undefined,
    }
  })
  for (const [l, layer] of layers.entries()) {
    const next = layers.slice(l + 1).find(({ moe }) => moe !== undefined)
    if (next?.moe !== undefined) layer.next = createNextMoe(next.moe, next.slabs.prepared.feedForwardNorm, maxRows)
  }
  return layers
}
