/** Returns `1 / (1 + e^-x)`. */
export function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x))
}

/** Returns `x · sigmoid(x)`, the activation of SwiGLU. @see Shazeer, arXiv:2002.05202 */
export function silu(x: number): number {
  return x / (1 + Math.exp(-x))
}

/** How much steeper than SiLU's the sigmoid of `clampedSwiglu` is. */
export const SWIGLU_SLOPE = 1.702

/**
 * Returns `(u + 1) · g · sigmoid(1.702 · g)` with `g = min(gate, limit)` and `u` = up within `±limit`: the SwiGLU of gpt-oss. NaN stays NaN.
 *
 * @see gpt_oss/modular_gpt_oss.py of Transformers, `GptOssExperts`
 */
export function clampedSwiglu(gate: number, up: number, limit: number): number {
  const g = Math.min(gate, limit)
  const u = Math.max(-limit, Math.min(up, limit))
  return (u + 1) * g * sigmoid(SWIGLU_SLOPE * g)
}
