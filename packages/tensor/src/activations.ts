/** Returns `1 / (1 + e^-x)`. */
export function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x))
}

/** Returns `x · sigmoid(x)`, the activation of SwiGLU. @see Shazeer, arXiv:2002.05202 */
export function silu(x: number): number {
  return x / (1 + Math.exp(-x))
}
