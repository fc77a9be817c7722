import type { Family } from "./Family.ts"
import { llamaLayer, llamaNames } from "./llama.ts"
import { parseAttention, parseDecoder } from "./parseDecoder.ts"
import { parseMoe } from "./parseMoe.ts"

/** Mixtral: experts are numbered `w1` (gate), `w3` (up), `w2` (down). */
export const mixtral: Family = {
  name: "Mixtral",
  modelTypes: ["mixtral"],
  ...llamaNames,
  layer(layer) {
    const block = `model.layers.${layer}.block_sparse_moe`
    return {
      ...llamaLayer(layer),
      router: `${block}.gate.weight`,
      expert(expertId) {
        const expert = `${block}.experts.${expertId}`
        return { gateProj: `${expert}.w1.weight`, upProj: `${expert}.w3.weight`, downProj: `${expert}.w2.weight` }
      },
    }
  },
  parseConfig(fields) {
    const { numLayers, ...decoder } = parseDecoder(fields)
    const slidingWindow = fields.has("sliding_window") ? fields.size("sliding_window") : Number.POSITIVE_INFINITY
    const attention = parseAttention(fields, { slidingWindow })
    const feedForward = parseMoe(
      fields,
      { numExperts: ["num_local_experts"], expertIntermediateSize: "intermediate_size" },
      { normalizesWeights: true },
    )
    return {
      ...decoder,
      family: "Mixtral",
      layers: Array.from({ length: numLayers }, () => ({ attention, feedForward })),
    }
  },
}
