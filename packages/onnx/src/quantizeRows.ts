import { ZERO_POINT } from "./productGraphs.ts"

/** Rows of activations in 8 bits around 128, as the products read them, and each row's scale. */
export interface QuantizedRows {
  readonly values: Uint8Array
  readonly scales: Float32Array
}

/**
 * Quantises rows to uint8 around 128 with one scale each, max|x| / 127: the integers of the reference, moved up.
 *
 * The scale of a row that holds NaN or infinity is NaN: every product with it is NaN, so the fault shows instead of vanishing.
 *
 * @param stride of `out`'s rows, at least `width`; the rest of a row becomes 128, which is zero
 */
export function quantizeRows(
  out: QuantizedRows,
  x: Float32Array,
  offset: number,
  { numRows, width, stride }: { readonly numRows: number; readonly width: number; readonly stride: number },
): void {
  // Uint8ClampedArray rounds half to even, which is what the reference does too.
  const clamped = new Uint8ClampedArray(out.values.buffer, out.values.byteOffset, numRows * stride)
  for (let row = 0; row < numRows; row++) {
    const from = offset + row * width
    let largest = 0
    for (let i = 0; i < width; i++) {
      const size = Math.abs(x[from + i]!)
      if (size <= largest) continue
      largest = size
      // Whatever follows would be larger than NaN: stop here, so that the row's results become NaN.
      if (Number.isNaN(size)) break
    }
    const inverse = largest > 0 ? 127 / largest : 0
    out.scales[row] = Number.isFinite(largest) ? largest / 127 : Number.NaN
    const to = row * stride
    for (let i = 0; i < width; i++) clamped[to + i] = x[from + i]! * inverse + ZERO_POINT
    if (stride > width) clamped.fill(ZERO_POINT, to + width, to + stride)
  }
}

/** Copies rows of `fromStride` values to rows of `toStride`; what a wider row has more becomes zero. */
export function copyRows(
  out: Float32Array,
  outOffset: number,
  toStride: number,
  x: Float32Array,
  offset: number,
  fromStride: number,
  numRows: number,
): void {
  const width = Math.min(fromStride, toStride)
  for (let row = 0; row < numRows; row++) {
    const to = outOffset + row * toStride
    const from = offset + row * fromStride
    for (let i = 0; i < width; i++) out[to + i] = x[from + i]!
    for (let i = width; i < toStride; i++) out[to + i] = 0
  }
}
