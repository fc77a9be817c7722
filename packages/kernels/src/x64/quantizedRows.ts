/**
 * Rows of 8-bit activations as products read them: `[paddedColumns]` signed bytes, zeros past the last column, then a tail of 64 bytes that begins with the
 * row's scale (f32) and -128 · Σx (int32), which takes back that weights are stored as q + 128.
 */
const ROW_TAIL_BYTES = 64
/** Where the tail keeps the scale and the correction. */
export const TAIL_SCALE = 0
export const TAIL_CORRECTION = 4

/** Bytes from one row to the next: not a multiple of 4 KiB, so that rows do not fall on the same cache sets. */
export function quantizedRowBytes(paddedColumns: number): number {
  return paddedColumns + ROW_TAIL_BYTES
}

/** Bytes of a row that is rotated, before it becomes 8 bits. */
export function rotatedRowBytes(paddedColumns: number): number {
  return paddedColumns * 4
}
