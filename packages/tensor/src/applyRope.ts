/** Cosines and sines `[positions, rotaryDim / 2]`. */
export interface RopeAngles {
  readonly cos: Float32Array
  readonly sin: Float32Array
  readonly rotaryDim: number
  /** Pairs are (2i, 2i+1) rather than (i, i + rotaryDim/2). */
  readonly isInterleaved: boolean
}

/**
 * Rotates the first `rotaryDim` values of the head at `offset` to `position`, in place; the rest of the head stays as it is.
 *
 * @see Su et al., RoFormer, arXiv:2104.09864 §3.4
 */
export function applyRope(values: Float32Array, offset: number, angles: RopeAngles, position: number): void {
  const { cos, sin, rotaryDim, isInterleaved } = angles
  const numPairs = rotaryDim >> 1
  const step = isInterleaved ? 2 : 1
  const partner = isInterleaved ? 1 : numPairs
  for (let pair = 0; pair < numPairs; pair++) {
    const at = offset + pair * step
    const c = cos[position * numPairs + pair]!
    const s = sin[position * numPairs + pair]!
    const a = values[at]!
    const b = values[at + partner]!
    values[at] = a * c - b * s
    values[at + partner] = b * c + a * s
  }
}
