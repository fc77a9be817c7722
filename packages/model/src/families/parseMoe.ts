import type { FeedForwardConfig } from "../ModelConfig.ts"
import type { ConfigFields } from "./ConfigFields.ts"

type MoeFeedForward = Extract<FeedForwardConfig, { kind: "moe" }>

/** Most experts of one layer that we serve. */
const MAX_EXPERTS = 1024

/**
 * Reads a layer of SwiGLU experts behind a softmax router.
 *
 * @param names fields that families name differently; the first that is present counts
 * @throws CheckpointError, also where `num_experts_per_tok` exceeds the number of experts
 */
export function parseMoe(
  fields: ConfigFields,
  names: { readonly numExperts: readonly string[]; readonly expertIntermediateSize: string },
  own: { readonly normalizesWeights: boolean; readonly sharedExpert?: MoeFeedForward["sharedExpert"] },
): MoeFeedForward {
  const field = names.numExperts.find((name) => fields.has(name)) ?? names.numExperts[0]!
  const numExperts = fields.size(field)
  if (numExperts > MAX_EXPERTS) fields.fail(field, `at most ${MAX_EXPERTS} experts`)
  const topK = fields.size("num_experts_per_tok")
  if (topK > numExperts) fields.fail("num_experts_per_tok", `at most ${field} ${numExperts}`)
  return {
    kind: "moe",
    numExperts,
    topK,
    expertIntermediateSize: fields.width(names.expertIntermediateSize),
    activation: "silu",
    router: { kind: "top-k", topK, score: "softmax", normalizesWeights: own.normalizesWeights },
    sharedExpert: own.sharedExpert,
  }
}

/** Returns which layers have experts, by Qwen's rule: not in `mlp_only_layers`, and every `decoder_sparse_step`-th. */
export function sparseLayersOf(fields: ConfigFields): (layer: number) => boolean {
  const denseLayers = fields.sizes("mlp_only_layers")
  const step = fields.size("decoder_sparse_step", 1)
  return (layer) => !denseLayers.includes(layer) && (layer + 1) % step === 0
}
