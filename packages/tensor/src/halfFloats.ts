/**
 * Widens bfloat16 bit patterns to f32; exact.
 *
 * @param bits same length as `out`
 */
export function bf16ToF32(out: Float32Array, bits: Uint16Array): void {
  const words = wordsOf(out)
  for (let i = 0; i < bits.length; i++) words[i] = bits[i]! << 16
}

/** Rounds f32 to bfloat16 bit patterns, half to even; NaN stays NaN and what is too large becomes infinite. */
export function f32ToBf16(out: Uint16Array, values: Float32Array): void {
  const words = wordsOf(values)
  for (let i = 0; i < values.length; i++) {
    const word = words[i]!
    const isNan = (word & 0x7fffffff) > 0x7f800000
    // A NaN whose payload lies in the dropped bits alone would round to infinity: set the quiet bit instead.
    out[i] = isNan ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16
  }
}

/** Widens float16 bit patterns to f32; exact. */
export function f16ToF32(out: Float32Array, bits: Uint16Array): void {
  out.set(new Float16Array(bits.buffer, bits.byteOffset, bits.length))
}

/** Rounds f32 to float16 bit patterns, half to even; what is too large becomes infinite. */
export function f32ToF16(out: Uint16Array, values: Float32Array): void {
  new Float16Array(out.buffer, out.byteOffset, out.length).set(values)
}

function wordsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length)
}
