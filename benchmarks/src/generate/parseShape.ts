/** A published config.json, as far as it says what tensors a model has. */
export type ShapeConfig = Readonly<Record<string, number | boolean | string>>

/** A model to generate. */
export interface ModelShape {
  /** Names its files and records: `qwen3-30b-a3b`, or with what was changed, `qwen3-30b-a3b-num_hidden_layers=4`. */
  readonly name: string
  readonly config: ShapeConfig
}

const TINY = {
  vocab_size: 1024,
  hidden_size: 128,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_experts: 16,
  num_experts_per_tok: 4,
  max_position_embeddings: 2048,
  rms_norm_eps: 1e-6,
  tie_word_embeddings: false,
}

/**
 * Shapes with names. `qwen3-30b-a3b` is cut to 12 of its 48 layers, to fit a machine of 24 GB; `tiny-…` are for tests.
 *
 * @see huggingface.co/Qwen/Qwen3-30B-A3B and huggingface.co/allenai/OLMoE-1B-7B-0924, config.json
 */
export const SHAPES: Readonly<Record<string, ShapeConfig>> = {
  "qwen3-30b-a3b": {
    model_type: "qwen3_moe",
    vocab_size: 151_936,
    hidden_size: 2048,
    intermediate_size: 6144,
    num_hidden_layers: 12,
    num_attention_heads: 32,
    num_key_value_heads: 4,
    head_dim: 128,
    num_experts: 128,
    num_experts_per_tok: 8,
    moe_intermediate_size: 768,
    norm_topk_prob: true,
    max_position_embeddings: 40_960,
    rope_theta: 1_000_000,
    rms_norm_eps: 1e-6,
    tie_word_embeddings: false,
  },
  "olmoe-1b-7b": {
    model_type: "olmoe",
    vocab_size: 50_304,
    hidden_size: 2048,
    intermediate_size: 1024,
    num_hidden_layers: 16,
    num_attention_heads: 16,
    num_key_value_heads: 16,
    num_experts: 64,
    num_experts_per_tok: 8,
    norm_topk_prob: false,
    max_position_embeddings: 4096,
    rope_theta: 10_000,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: false,
  },
  "tiny-qwen3": {
    ...TINY,
    model_type: "qwen3_moe",
    intermediate_size: 256,
    num_key_value_heads: 2,
    head_dim: 64,
    moe_intermediate_size: 64,
    norm_topk_prob: true,
  },
  "tiny-olmoe": { ...TINY, model_type: "olmoe", intermediate_size: 64, num_key_value_heads: 4 },
}

/**
 * Reads `<name>[,<field>=<value>…]`: a shape with a name, fields of its config.json changed.
 *
 * @throws Error naming the shapes, or the fields, that there are
 */
export function parseShape(text: string): ModelShape {
  const [name = "", ...changes] = text.split(",")
  const base = Object.hasOwn(SHAPES, name) ? SHAPES[name]! : undefined
  if (base === undefined)
    throw new Error(`shape ${JSON.stringify(name)}: expected one of ${Object.keys(SHAPES).join(", ")}`)
  const config: Record<string, number | boolean | string> = { ...base }
  for (const change of changes) {
    const [field = "", value = ""] = change.split("=")
    if (!Object.hasOwn(base, field) || field === "model_type")
      throw new Error(`shape field ${JSON.stringify(field)}: expected one of ${Object.keys(base).join(", ")}`)
    config[field] = parseValue(field, value, base[field]!)
  }
  return { name: [name, ...changes].join("-"), config }
}

function parseValue(field: string, text: string, like: number | boolean | string): number | boolean {
  if (typeof like === "boolean") {
    if (text === "true" || text === "false") return text === "true"
    throw new Error(`shape field ${field}: expected true or false, found ${JSON.stringify(text)}`)
  }
  const value = Number(text)
  if (text !== "" && Number.isFinite(value) && value > 0) return value
  throw new Error(`shape field ${field}: expected a number above 0, found ${JSON.stringify(text)}`)
}
