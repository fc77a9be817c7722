/** Values that share one multiplier and one offset. */
export const INT4_BLOCK = 32

const LARGEST_NIBBLE = 15
const LARGEST_MULTIPLIER = 15
/** What the integers of weights lie around: `u - 128` is in -127..127, as in 8 bits. */
const MIDDLE = 128
const LARGEST_INTEGER = 255

/**
 * A weight row in 4 bits: `w = scale · (q · m + c - 128)`, q 0..15, in blocks of 32 with a multiplier m 0..15 and an offset c 1..255 each.
 *
 * `q · m + c` is in 1..255 for every value, so that a row expands to 8 bits without loss.
 */
export interface Int4Row {
  /** `[K]` q, one to a byte. */
  readonly values: Uint8Array
  /** `[K / 32]` m */
  readonly multipliers: Uint8Array
  /** `[K / 32]` c */
  readonly offsets: Uint8Array
}

/** Allocates a row of zeros. @param length a multiple of 32 */
export function createInt4Row(length: number): Int4Row {
  const numBlocks = length / INT4_BLOCK
  if (!Number.isInteger(numBlocks)) throw new RangeError(`expected a multiple of ${INT4_BLOCK} values, found ${length}`)
  return {
    values: new Uint8Array(length),
    multipliers: new Uint8Array(numBlocks),
    offsets: new Uint8Array(numBlocks).fill(MIDDLE),
  }
}

/**
 * Quantises one weight row into the first blocks of `out`, and returns its scale (f32).
 *
 * The scale is the smallest that reaches the largest weight and the widest block. A row of zeros, and one too small for an f32 scale, has scale 0.
 *
 * @param weights at most as many as `out` has values; what they leave of their last block is near zero
 * @throws RangeError on a NaN or infinite weight, naming its column
 */
export function quantizeInt4Row(out: Int4Row, weights: Float32Array): number {
  const scale = chooseScale(weights)
  const inverse = scale === 0 ? 0 : 1 / scale
  const block = new Float64Array(INT4_BLOCK)
  const grid: Grid = { multiplier: 0, offset: 0, error: 0 }
  for (let first = 0; first < weights.length; first += INT4_BLOCK) {
    const length = Math.min(INT4_BLOCK, weights.length - first)
    for (let i = 0; i < length; i++) block[i] = weights[first + i]! * inverse
    block.fill(0, length)
    searchGrid(grid, block, length)
    const { multiplier, offset } = grid
    out.multipliers[first / INT4_BLOCK] = multiplier
    out.offsets[first / INT4_BLOCK] = offset + MIDDLE
    const most = largestNibble(multiplier, offset)
    const step = multiplier === 0 ? 0 : 1 / multiplier
    for (let i = 0; i < INT4_BLOCK; i++) out.values[first + i] = clamp(Math.round((block[i]! - offset) * step), most)
  }
  return scale
}

/** Writes the first `out.length` weights of a row. */
export function dequantizeInt4Row(out: Float32Array, { values, multipliers, offsets }: Int4Row, scale: number): void {
  for (let i = 0; i < out.length; i++) {
    const block = Math.floor(i / INT4_BLOCK)
    out[i] = scale * (values[i]! * multipliers[block]! + offsets[block]! - MIDDLE)
  }
}

/** A candidate, in units of the scale; `offset` is c - 128. */
interface Grid {
  multiplier: number
  offset: number
  error: number
}

function chooseScale(weights: Float32Array): number {
  let largest = 0
  let widest = 0
  for (let first = 0; first < weights.length; first += INT4_BLOCK) {
    const end = Math.min(first + INT4_BLOCK, weights.length)
    let low = Number.POSITIVE_INFINITY
    let high = Number.NEGATIVE_INFINITY
    // Math.min and Math.max pass NaN on, a comparison would lose it.
    for (let i = first; i < end; i++) {
      low = Math.min(low, weights[i]!)
      high = Math.max(high, weights[i]!)
    }
    largest = Math.max(largest, high, -low)
    widest = Math.max(widest, high - low)
  }
  const scale = Math.fround(Math.max(largest / 127, widest / (LARGEST_NIBBLE * LARGEST_MULTIPLIER)))
  if (Number.isFinite(scale)) return scale
  const column = weights.findIndex((weight) => !Number.isFinite(weight))
  throw new RangeError(
    `expected finite weights, found ${weights[column]} in column ${column} of ${weights.length}: the checkpoint is damaged`,
  )
}

function searchGrid(grid: Grid, block: Float64Array, length: number): void {
  let low = block[0]!
  let high = block[0]!
  for (let i = 1; i < length; i++) {
    low = Math.min(low, block[i]!)
    high = Math.max(high, block[i]!)
  }
  grid.error = Number.POSITIVE_INFINITY
  const widest = Math.min(LARGEST_MULTIPLIER, Math.ceil((high - low) / LARGEST_NIBBLE))
  for (let multiplier = widest; multiplier >= Math.max(0, widest - 3); multiplier--) {
    const centred = clampOffset((low + high - LARGEST_NIBBLE * multiplier) / 2)
    const mean = tryGrid(grid, block, length, multiplier, centred)
    const moved = clampOffset(centred + mean)
    if (moved !== centred) tryGrid(grid, block, length, multiplier, moved)
  }
}

/** Keeps the grid if its squared error is the smallest so far; returns the mean of its errors. */
function tryGrid(grid: Grid, block: Float64Array, length: number, multiplier: number, offset: number): number {
  const most = largestNibble(multiplier, offset)
  const step = multiplier === 0 ? 0 : 1 / multiplier
  let sum = 0
  let error = 0
  for (let i = 0; i < length; i++) {
    const value = block[i]! - offset
    const rest = value - clamp(Math.round(value * step), most) * multiplier
    sum += rest
    error += rest * rest
  }
  if (error < grid.error) {
    grid.multiplier = multiplier
    grid.offset = offset
    grid.error = error
  }
  return sum / length
}

/** The largest q whose integer is at most 255. */
function largestNibble(multiplier: number, offset: number): number {
  if (multiplier === 0) return 0
  return Math.min(LARGEST_NIBBLE, Math.floor((LARGEST_INTEGER - MIDDLE - offset) / multiplier))
}

/** The nearest offset that there is. */
function clampOffset(offset: number): number {
  return Math.min(LARGEST_INTEGER - MIDDLE, Math.max(1 - MIDDLE, Math.round(offset)))
}

function clamp(value: number, most: number): number {
  return value < 0 ? 0 : value > most ? most : value
}
