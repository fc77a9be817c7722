import type { Family } from "./Family.ts"
import { llamaNames } from "./llama.ts"
import { parseAttention, parseDecoder } from "./parseDecoder.ts"
import { slidingWindowOf } from "./slidingWindow.ts"

/** Qwen3, dense: q and k are normed per head. */
export const qwen3: Family = {
  name: "Qwen3",
  modelTypes: ["qwen3"],
  ...llamaNames,
  parseConfig(fields) {
    const { numLayers, ...decoder } = parseDecoder(fields)
    const hasBias = fields.flag("attention_bias", false)
    const windowOf = slidingWindowOf(fields)
    const intermediateSize = fields.width("intermediate_size")
    const feedForward = { kind: "dense", intermediateSize, activation: "silu", hasBias: false } as const
    return {
      ...decoder,
      family: "Qwen3",
      layers: Array.from({ length: numLayers }, (_, layer) => ({
        attention: parseAttention(fields, {
          hasQkvBias: hasBias,
          hasOutBias: hasBias,
          qkNorm: "head",
          slidingWindow: windowOf(layer),
        }),
        feedForward,
      })),
    }
  },
}
