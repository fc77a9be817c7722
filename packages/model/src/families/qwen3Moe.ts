import type { Family } from "./Family.ts"
import { llamaNames } from "./llama.ts"
import { parseAttention, parseDecoder } from "./parseDecoder.ts"
import { parseMoe, sparseLayersOf } from "./parseMoe.ts"

/** Qwen3-MoE: q and k are normed per head; no shared expert. */
export const qwen3Moe: Family = {
  name: "Qwen3-MoE",
  modelTypes: ["qwen3_moe"],
  ...llamaNames,
  parseConfig(fields) {
    const { numLayers, ...decoder } = parseDecoder(fields)
    const isSparse = sparseLayersOf(fields)
    const hasBias = fields.flag("attention_bias", false)
    const hasWindow = fields.flag("use_sliding_window", false) && fields.has("sliding_window")
    const attention = parseAttention(fields, {
      hasQkvBias: hasBias,
      hasOutBias: hasBias,
      qkNorm: "head",
      slidingWindow: hasWindow ? fields.size("sliding_window") : Number.POSITIVE_INFINITY,
    })
    const moe = parseMoe(
      fields,
      { numExperts: ["num_experts", "num_local_experts"], expertIntermediateSize: "moe_intermediate_size" },
      { normalizesWeights: fields.flag("norm_topk_prob", false) },
    )
    const dense = {
      kind: "dense",
      intermediateSize: fields.width("intermediate_size"),
      activation: "silu",
      hasBias: false,
    } as const
    return {
      ...decoder,
      family: "Qwen3-MoE",
      layers: Array.from({ length: numLayers }, (_, layer) => ({
        attention,
        feedForward: isSparse(layer) ? moe : dense,
      })),
    }
  },
}
