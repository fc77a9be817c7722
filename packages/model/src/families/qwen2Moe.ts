import type { Family } from "./Family.ts"
import { llamaNames } from "./llama.ts"
import { parseAttention, parseDecoder } from "./parseDecoder.ts"
import { parseMoe, sparseLayersOf } from "./parseMoe.ts"
import { slidingWindowOf } from "./slidingWindow.ts"

/** Qwen1.5-MoE and Qwen2-MoE: biases on q, k, v; a shared expert behind a sigmoid. */
export const qwen2Moe: Family = {
  name: "Qwen2-MoE",
  modelTypes: ["qwen2_moe"],
  ...llamaNames,
  parseConfig(fields) {
    const { numLayers, ...decoder } = parseDecoder(fields)
    const isSparse = sparseLayersOf(fields)
    const windowOf = slidingWindowOf(fields)
    const hasQkvBias = fields.flag("qkv_bias", true)
    const moe = parseMoe(
      fields,
      { numExperts: ["num_experts", "num_local_experts"], expertIntermediateSize: "moe_intermediate_size" },
      {
        normalizesWeights: fields.flag("norm_topk_prob", false),
        sharedExpert: { intermediateSize: fields.width("shared_expert_intermediate_size"), hasGate: true },
      },
    )
    const dense = {
      kind: "dense",
      intermediateSize: fields.width("intermediate_size"),
      activation: "silu",
      hasBias: false,
    } as const
    return {
      ...decoder,
      family: "Qwen2-MoE",
      layers: Array.from({ length: numLayers }, (_, layer) => ({
        attention: parseAttention(fields, { hasQkvBias, slidingWindow: windowOf(layer) }),
        feedForward: isSparse(layer) ? moe : dense,
      })),
    }
  },
}
