import type { Family } from "./Family.ts"
import { llamaNames } from "./llama.ts"
import { parseAttention, parseDecoder } from "./parseDecoder.ts"
import { parseMoe } from "./parseMoe.ts"

/** OLMoE: q and k are normed over the whole projection, before it is split into heads. */
export const olmoe: Family = {
  name: "OLMoE",
  modelTypes: ["olmoe"],
  ...llamaNames,
  parseConfig(fields) {
    const { numLayers, ...decoder } = parseDecoder(fields)
    if (fields.has("clip_qkv")) fields.fail("clip_qkv", "null: clipping q, k and v is not supported")
    const hasBias = fields.flag("attention_bias", false)
    const attention = parseAttention(fields, { qkNorm: "projection", hasQkvBias: hasBias, hasOutBias: hasBias })
    const feedForward = parseMoe(
      fields,
      { numExperts: ["num_experts", "num_local_experts"], expertIntermediateSize: "intermediate_size" },
      { normalizesWeights: fields.flag("norm_topk_prob", false) },
    )
    return {
      ...decoder,
      family: "OLMoE",
      layers: Array.from({ length: numLayers }, () => ({ attention, feedForward })),
    }
  },
}
