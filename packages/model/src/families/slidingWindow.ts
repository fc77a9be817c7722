import type { ConfigFields } from "./ConfigFields.ts"

/**
 * Returns the Qwen families' window by layer: only where `use_sliding_window` is set, and there in the layers that
 * `layer_types` marks, or without it in those from `max_window_layers` on.
 */
export function slidingWindowOf(fields: ConfigFields): (layer: number) => number {
  if (!fields.flag("use_sliding_window", false) || !fields.has("sliding_window")) return () => Number.POSITIVE_INFINITY
  const window = fields.size("sliding_window")
  const types = fields.has("layer_types") ? fields.texts("layer_types") : undefined
  const first = fields.number("max_window_layers", 28)
  return (layer) => {
    const isSliding = types === undefined ? layer >= first : types[layer] === "sliding_attention"
    return isSliding ? window : Number.POSITIVE_INFINITY
  }
}
