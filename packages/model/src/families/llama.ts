import type { Family, LayerNames } from "./Family.ts"
import { parseAttention, parseDecoder } from "./parseDecoder.ts"

/** Names that most families share, those of Llama. */
export function llamaLayer(layer: number): LayerNames {
  const prefix = `model.layers.${layer}`
  const projections = (path: string) => ({
    gateProj: `${path}.gate_proj.weight`,
    upProj: `${path}.up_proj.weight`,
    downProj: `${path}.down_proj.weight`,
  })
  return {
    attentionNorm: `${prefix}.input_layernorm.weight`,
    qProj: `${prefix}.self_attn.q_proj.weight`,
    kProj: `${prefix}.self_attn.k_proj.weight`,
    vProj: `${prefix}.self_attn.v_proj.weight`,
    outProj: `${prefix}.self_attn.o_proj.weight`,
    qNorm: `${prefix}.self_attn.q_norm.weight`,
    kNorm: `${prefix}.self_attn.k_norm.weight`,
    feedForwardNorm: `${prefix}.post_attention_layernorm.weight`,
    dense: projections(`${prefix}.mlp`),
    router: `${prefix}.mlp.gate.weight`,
    expert: (expertId) => projections(`${prefix}.mlp.experts.${expertId}`),
    sharedExpert: projections(`${prefix}.mlp.shared_expert`),
    sharedExpertGate: `${prefix}.mlp.shared_expert_gate.weight`,
  }
}

export const llamaNames: Pick<Family, "embedding" | "finalNorm" | "head" | "layer"> = {
  embedding: "model.embed_tokens.weight",
  finalNorm: "model.norm.weight",
  head: "lm_head.weight",
  layer: llamaLayer,
}

/** Llama 2 and 3, dense. */
export const llama: Family = {
  name: "Llama",
  modelTypes: ["llama"],
  ...llamaNames,
  parseConfig(fields) {
    const { numLayers, ...decoder } = parseDecoder(fields)
    const hasBias = fields.flag("attention_bias", false)
    const attention = parseAttention(fields, { hasQkvBias: hasBias, hasOutBias: hasBias })
    const intermediateSize = fields.width("intermediate_size")
    const feedForward = {
      kind: "dense",
      intermediateSize,
      activation: "silu",
      hasBias: fields.flag("mlp_bias", false),
    } as const
    return {
      ...decoder,
      family: "Llama",
      layers: Array.from({ length: numLayers }, () => ({ attention, feedForward })),
    }
  },
}
