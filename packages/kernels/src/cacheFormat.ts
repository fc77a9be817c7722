/**
 * Numbers of the key and value cache: f32, or bf16 in pairs.
 *
 * A pair is one 32-bit word: of each run of `2 · distance` values, word j holds value j in its lower half and value `distance + j` in its upper one. So a vector of words
 * widens to two vectors of f32 by a shift and a mask, and keys turn in half the moves. The distance is the vector's number of lanes.
 */
export type CacheFormat = "f32" | "bf16/8" | "bf16/16"

/** Returns how far the two values of a word lie apart; undefined for f32. */
export function pairDistance(format: CacheFormat): number | undefined {
  return format === "f32" ? undefined : Number(format.slice("bf16/".length))
}

/** Whether heads of `headDim` values fit a format: runs of pairs are whole. */
export function fitsCache(format: CacheFormat, headDim: number): boolean {
  const distance = pairDistance(format)
  return distance === undefined || headDim % (2 * distance) === 0
}

/** Bytes of one value. */
export function cacheValueBytes(format: CacheFormat): number {
  return format === "f32" ? 4 : 2
}

/** The largest magnitude that rounding leaves below another sign: a NaN. */
const LARGEST = 0x7fff_0000

/** Returns the bits of a bf16, given an f32's: rounded to nearest, ties to even; what is not finite stays so. */
export function roundToBf16(bits: number): number {
  const magnitude = Math.min(bits & 0x7fff_ffff, LARGEST)
  const rounded = (magnitude + 0x7fff + ((magnitude >>> 16) & 1)) >>> 16
  return rounded | ((bits >>> 16) & 0x8000)
}

function bitsOf(values: Float32Array): Int32Array {
  return new Int32Array(values.buffer, values.byteOffset, values.length)
}

/** Writes a head's values from `values[from]` on as words from `words[to]` on. */
export function packPairs(
  words: Int32Array,
  to: number,
  values: Float32Array,
  from: number,
  headDim: number,
  distance: number,
): void {
  const bits = bitsOf(values)
  for (let run = 0; run < headDim; run += 2 * distance) {
    for (let j = 0; j < distance; j++) {
      const low = roundToBf16(bits[from + run + j]!)
      const high = roundToBf16(bits[from + run + distance + j]!)
      words[to + run / 2 + j] = low | (high << 16)
    }
  }
}

/** Writes a head's words from `words[from]` on as values from `values[to]` on. */
export function unpackPairs(
  values: Float32Array,
  to: number,
  words: Int32Array,
  from: number,
  headDim: number,
  distance: number,
): void {
  const bits = bitsOf(values)
  for (let run = 0; run < headDim; run += 2 * distance) {
    for (let j = 0; j < distance; j++) {
      const word = words[from + run / 2 + j]!
      bits[to + run + j] = word << 16
      bits[to + run + distance + j] = word & 0xffff_0000
    }
  }
}
