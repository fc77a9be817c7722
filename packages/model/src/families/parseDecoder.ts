import type { AttentionConfig, ModelConfig, RopeConfig } from "../ModelConfig.ts"
import { type ConfigFields, MAX_WIDTH } from "./ConfigFields.ts"
import { yarnAttentionFactor } from "./createRopeTable.ts"

/** What every decoder-only family's config has in common. */
export type DecoderConfig = Omit<ModelConfig, "family" | "layers"> & { readonly numLayers: number }

/** Most layers that we serve: many times what any model has. */
const MAX_LAYERS = 1024

/** Reads the sizes that all families name alike. @throws CheckpointError */
export function parseDecoder(fields: ConfigFields): DecoderConfig {
  const activation = fields.text("hidden_act", "silu")
  if (activation !== "silu" && activation !== "swish") fields.fail("hidden_act", '"silu"')
  const numLayers = fields.size("num_hidden_layers")
  if (numLayers > MAX_LAYERS) fields.fail("num_hidden_layers", `at most ${MAX_LAYERS} layers`)
  return {
    vocabSize: fields.size("vocab_size"),
    hiddenSize: fields.width("hidden_size"),
    contextLength: fields.size("max_position_embeddings"),
    normEpsilon: fields.positive("rms_norm_eps", 1e-6),
    isTied: fields.flag("tie_word_embeddings", false),
    eosIds: [],
    numLayers,
  }
}

/** Reads grouped-query attention with rotary embedding; families override what is theirs. @throws CheckpointError */
export function parseAttention(fields: ConfigFields, own: Partial<AttentionConfig> = {}): AttentionConfig {
  const numHeads = fields.width("num_attention_heads")
  const numKvHeads = fields.size("num_key_value_heads", numHeads)
  if (numHeads % numKvHeads !== 0) fields.fail("num_key_value_heads", `a divisor of num_attention_heads ${numHeads}`)
  const hiddenSize = fields.width("hidden_size")
  if (!fields.has("head_dim") && hiddenSize % numHeads !== 0)
    fields.fail("hidden_size", `a multiple of num_attention_heads ${numHeads}`)
  const headDim = fields.width("head_dim", hiddenSize / numHeads)
  if (numHeads * headDim > MAX_WIDTH) fields.fail("head_dim", `at most ${MAX_WIDTH} for ${numHeads} heads together`)
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
  const having = (field: string): ConfigFields => (parameters?.has(field) ? parameters : fields)
  const theta = having("rope_theta").positive("rope_theta", 10_000)
  const share = having("partial_rotary_factor").positive("partial_rotary_factor", 1)
  const rotaryDim = Math.floor(headDim * share)
  if (rotaryDim > headDim || rotaryDim < 2 || rotaryDim % 2 !== 0)
    having("partial_rotary_factor").fail("partial_rotary_factor", `an even part of head_dim ${headDim}`)
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
      return { kind: "linear", factor: parameters.positive("factor") }
    case "llama3":
      return {
        kind: "llama3",
        factor: parameters.positive("factor"),
        lowFreqFactor: parameters.positive("low_freq_factor"),
        highFreqFactor: parameters.positive("high_freq_factor"),
        originalContextLength: originalContextLength(),
      }
    case "yarn":
      if (!parameters.flag("truncate", true)) parameters.fail("truncate", "true: ramps between whole pairs")
      return {
        kind: "yarn",
        factor: parameters.positive("factor"),
        originalContextLength: originalContextLength(),
        betaFast: parameters.positive("beta_fast", 32),
        betaSlow: parameters.positive("beta_slow", 1),
        attentionFactor: parseAttentionFactor(parameters),
      }
    default:
      return parameters.fail(field, '"default", "linear", "llama3" or "yarn"')
  }
}

/** Yarn's own, unless the config gives it, or gives it as a ratio of two (DeepSeek). */
function parseAttentionFactor(parameters: ConfigFields): number | undefined {
  if (parameters.has("attention_factor")) return parameters.positive("attention_factor")
  const [above, below] = [parameters.number("mscale", 0), parameters.number("mscale_all_dim", 0)]
  if (above === 0 || below === 0) return undefined
  const factor = parameters.positive("factor")
  return yarnAttentionFactor(factor, above) / yarnAttentionFactor(factor, below)
}
