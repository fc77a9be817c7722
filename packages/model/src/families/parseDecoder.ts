import type { AttentionConfig, ModelConfig, RopeConfig } from "../ModelConfig.ts"
import type { ConfigFields } from "./ConfigFields.ts"

/** What every decoder-only family's config has in common. */
export type DecoderConfig = Omit<ModelConfig, "family" | "layers"> & { readonly numLayers: number }

/** Reads the sizes that all families name alike. @throws CheckpointError */
export function parseDecoder(fields: ConfigFields): DecoderConfig {
  const activation = fields.text("hidden_act", "silu")
  if (activation !== "silu" && activation !== "swish") fields.fail("hidden_act", '"silu"')
  return {
    vocabSize: fields.size("vocab_size"),
    hiddenSize: fields.size("hidden_size"),
    contextLength: fields.size("max_position_embeddings"),
    normEpsilon: fields.number("rms_norm_eps", 1e-6),
    isTied: fields.flag("tie_word_embeddings", false),
    eosIds: [],
    numLayers: fields.size("num_hidden_layers"),
  }
}

/** Reads grouped-query attention with rotary embedding; families override what is theirs. @throws CheckpointError */
export function parseAttention(fields: ConfigFields, own: Partial<AttentionConfig> = {}): AttentionConfig {
  const numHeads = fields.size("num_attention_heads")
  const numKvHeads = fields.size("num_key_value_heads", numHeads)
  if (numHeads % numKvHeads !== 0) fields.fail("num_key_value_heads", `a divisor of num_attention_heads ${numHeads}`)
  const hiddenSize = fields.size("hidden_size")
  if (!fields.has("head_dim") && hiddenSize % numHeads !== 0)
    fields.fail("hidden_size", `a multiple of num_attention_heads ${numHeads}`)
  const headDim = fields.size("head_dim", hiddenSize / numHeads)
  if (headDim % 2 !== 0) fields.fail("head_dim", "an even number: rope rotates pairs")
  return {
    kind: "attention",
    numHeads,
    numKvHeads,
    headDim,
    rope: parseRope(fields, headDim),
    hasQkvBias: false,
    hasOutBias: false,
    qkNorm: "none",
    slidingWindow: Number.POSITIVE_INFINITY,
    ...own,
  }
}

/** Reads both layouts: `rope_parameters` of transformers 5, and `rope_theta` with `rope_scaling` before it. */
function parseRope(fields: ConfigFields, headDim: number): RopeConfig {
  const parameters = fields.object("rope_parameters") ?? fields.object("rope_scaling")
  const theta = parameters?.has("rope_theta") ? parameters.number("rope_theta") : fields.number("rope_theta", 10_000)
  if (theta <= 0) fields.fail("rope_theta", "a positive number")
  const share = fields.number("partial_rotary_factor", 1)
  const rotaryDim = Math.floor(headDim * share)
  return { theta, rotaryDim, isInterleaved: false, scaling: parseScaling(parameters, fields) }
}

function parseScaling(parameters: ConfigFields | undefined, fields: ConfigFields): RopeConfig["scaling"] {
  if (parameters === undefined) return { kind: "none" }
  const field = parameters.has("rope_type") ? "rope_type" : "type"
  const kind = parameters.text(field, "default")
  const originalContextLength = (): number =>
    parameters.size("original_max_position_embeddings", fields.size("max_position_embeddings"))
  switch (kind) {
    case "default":
      return { kind: "none" }
    case "linear":
      return { kind: "linear", factor: parameters.number("factor") }
    case "llama3":
      return {
        kind: "llama3",
        factor: parameters.number("factor"),
        lowFreqFactor: parameters.number("low_freq_factor"),
        highFreqFactor: parameters.number("high_freq_factor"),
        originalContextLength: originalContextLength(),
      }
    case "yarn":
      return {
        kind: "yarn",
        factor: parameters.number("factor"),
        originalContextLength: originalContextLength(),
        betaFast: parameters.number("beta_fast", 32),
        betaSlow: parameters.number("beta_slow", 1),
        attentionFactor: parameters.has("attention_factor") ? parameters.number("attention_factor") : undefined,
      }
    default:
      return parameters.fail(field, '"default", "linear", "llama3" or "yarn"')
  }
}
