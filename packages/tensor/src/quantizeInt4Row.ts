import { roundHalfEven } from "./roundHalfEven.ts"

/** Values that share one multiplier and one offset. */
export const INT4_BLOCK = 32
/** What the integers of weights lie around: `u - 128` is in -127..127, as in 8 bits. */
export const MIDDLE = 128
export const LARGEST = 127
export const LARGEST_NIBBLE = 15
export const LARGEST_MULTIPLIER = 15

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
 * The scale is the smallest that reaches the largest weight and the widest block: finer blocks then have many multipliers to choose from. Each
 * block takes the grid of least squared error among some: two steps, the one that spans the block and the next finer one, at seven places each.
 * The first is plain rounding, so no block is worse. A row too small for an f32 scale and its inverse has scale 0 and is zeros.
 *
 * @param weights    at most as many as `out` has values; what they leave of their last block counts as zeros
 * @param importance of the columns, as `importanceOf` gives it: what errors are multiplied by; all the same unless given
 * @throws RangeError on a NaN or infinite weight, naming its column
 */
export function quantizeInt4Row(out: Int4Row, weights: Float32Array, importance?: Int16Array): number {
  const scale = rowScale(weights)
  const inverse = inverseOf(scale)
  const block = new Int32Array(INT4_BLOCK)
  const factors = new Int16Array(INT4_BLOCK).fill(MOST_IMPORTANT)
  const grid: Grid = { multiplier: 0, offset: 0, error: 0 }
  for (let first = 0; first < weights.length; first += INT4_BLOCK) {
    const end = Math.min(first + INT4_BLOCK, weights.length)
    block.fill(0)
    if (inverse > 0)
      for (let i = first; i < end; i++) block[i - first] = roundHalfEven(Math.fround(weights[i]! * inverse))
    if (importance !== undefined) factors.set(importance.subarray(first, first + INT4_BLOCK))
    searchGrid(grid, block, factors)
    out.multipliers[first / INT4_BLOCK] = grid.multiplier
    out.offsets[first / INT4_BLOCK] = grid.offset + MIDDLE
    packBlock(out.values, first, block, grid)
  }
  return inverse === 0 ? 0 : scale
}

/** Writes the first `out.length` weights of a row. */
export function dequantizeInt4Row(out: Float32Array, { values, multipliers, offsets }: Int4Row, scale: number): void {
  for (let i = 0; i < out.length; i++) {
    const block = Math.floor(i / INT4_BLOCK)
    out[i] = scale * (values[i]! * multipliers[block]! + offsets[block]! - MIDDLE)
  }
}

/** The search works in integers, sixteenths of the scale: exact, so that any way of computing it gives the same bits. */
const FRACTION_BITS = 4
export const FRACTIONS = 1 << FRACTION_BITS
/** A grid `q · multiplier + offset`, q 0..15, in units of the scale; `offset` is c - 128, `error` what it costs the block. */
interface Grid {
  multiplier: number
  offset: number
  error: number
}

function rowScale(weights: Float32Array): number {
  let largest = 0
  let widest = 0
  for (let first = 0; first < weights.length; first += INT4_BLOCK) {
    const isWhole = first + INT4_BLOCK <= weights.length
    let low = isWhole ? Number.POSITIVE_INFINITY : 0
    let high = -low
    // Math.min and Math.max pass NaN on, a comparison would lose it.
    for (let i = first; i < Math.min(first + INT4_BLOCK, weights.length); i++) {
      low = Math.min(low, weights[i]!)
      high = Math.max(high, weights[i]!)
    }
    largest = Math.max(largest, high, -low)
    widest = Math.max(widest, Math.fround(high / 2 - low / 2))
  }
  return scaleOf(largest, widest, weights)
}

/**
 * Returns a row's scale.
 *
 * @param largest of the row's |weights|
 * @param widest of its blocks' half ranges: a whole one may be too large for f32
 * @throws RangeError as `quantizeInt4Row` does
 */
export function scaleOf(largest: number, widest: number, weights: Float32Array): number {
  const scale = Math.fround(Math.max(largest / LARGEST, (2 * widest) / (LARGEST_NIBBLE * LARGEST_MULTIPLIER)))
  if (Number.isFinite(scale)) return scale
  const column = weights.findIndex((weight) => !Number.isFinite(weight))
  throw new RangeError(
    `expected finite weights, found ${weights[column]} in column ${column} of ${weights.length}: the checkpoint is damaged`,
  )
}

/** Returns what turns weights into sixteenths of their scale (f32); 0 where the scale is too small for that. */
export function inverseOf(scale: number): number {
  const inverse = Math.fround(FRACTIONS / scale)
  return Number.isFinite(inverse) ? inverse : 0
}

/** The importance of a block's most important column. */
export const MOST_IMPORTANT = 2 ** 15 - 1
/** An estimate is not trusted to say that a column matters less than this share of the block's most important one. */
const LEAST_SHARE = 1 / 16

/**
 * Returns how much columns matter, as shares of the most important one of their block.
 *
 * A weight's error counts by what it is multiplied with, so a column matters as much as its inputs are large.
 *
 * @param inputScales about the size of each column's inputs, in any unit: finite, none negative
 * @param length      of the result, a multiple of 32: columns beyond `inputScales` matter least
 */
export function importanceOf(inputScales: Float32Array, length: number): Int16Array {
  const importance = new Int16Array(length)
  for (let first = 0; first < length; first += INT4_BLOCK) {
    const block = inputScales.subarray(first, first + INT4_BLOCK)
    const largest = block.reduce((most, scale) => Math.max(most, scale), 0)
    for (let i = 0; i < INT4_BLOCK; i++) {
      const share = largest > 0 ? (block[i] ?? 0) / largest : 1
      importance[first + i] = Math.round(MOST_IMPORTANT * Math.max(LEAST_SHARE, share))
    }
  }
  return importance
}

/** Places of a grid that are tried, in 128ths of its step from where it lies in the block's middle. */
export const PLACES = { first: -55, step: 22, last: 55 } as const

function searchGrid(grid: Grid, block: Int32Array, factors: Int16Array): void {
  let low = block[0]!
  let high = low
  for (let i = 1; i < INT4_BLOCK; i++) {
    low = Math.min(low, block[i]!)
    high = Math.max(high, block[i]!)
  }
  const atLow = clampOffset((low + FRACTIONS / 2) >> FRACTION_BITS)
  grid.multiplier = 0
  grid.offset = atLow
  grid.error = Number.POSITIVE_INFINITY
  const widest = Math.min(LARGEST_MULTIPLIER, Math.ceil((high - low) / (LARGEST_NIBBLE * FRACTIONS)))
  for (let multiplier = widest; multiplier >= Math.max(1, widest - 1); multiplier--) {
    tryGrid(grid, block, factors, multiplier, atLow)
    for (let place: number = PLACES.first; place <= PLACES.last; place += PLACES.step) {
      // In 128ths of the scale: the block's middle, less half of the grid's 15 steps.
      const offset = 4 * (low + high) + (place - 64 * LARGEST_NIBBLE) * multiplier
      tryGrid(grid, block, factors, multiplier, clampOffset((offset + 64) >> 7))
    }
  }
}

/** Keeps the grid if its error is the smallest so far. */
function tryGrid(grid: Grid, block: Int32Array, factors: Int16Array, multiplier: number, offset: number): void {
  const inverse = stepInverse(multiplier)
  const middle = middleOf(multiplier, offset)
  const most = largestNibble(multiplier, offset)
  let error = 0
  for (let i = 0; i < INT4_BLOCK; i++) {
    const value = block[i]! - middle
    const rest = value - roundToGrid(value, inverse, most) * multiplier * FRACTIONS
    const counted = roundShift(rest * factors[i]!)
    error += counted * counted
  }
  if (error >= grid.error) return
  grid.multiplier = multiplier
  grid.offset = offset
  grid.error = error
}

function packBlock(out: Uint8Array, first: number, block: Int32Array, { multiplier, offset }: Grid): void {
  const inverse = stepInverse(multiplier)
  const middle = middleOf(multiplier, offset)
  const most = largestNibble(multiplier, offset)
  for (let i = 0; i < INT4_BLOCK; i++) out[first + i] = roundToGrid(block[i]! - middle, inverse, most) + MIDDLE_NIBBLE
}

/** Rounding counts from the middle of a grid, where the inverse of its step is least off. */
export const MIDDLE_NIBBLE = 8

/** Where q = 8 lies, in sixteenths of the scale. */
function middleOf(multiplier: number, offset: number): number {
  return (offset + MIDDLE_NIBBLE * multiplier) * FRACTIONS
}

/** The q nearest to a value above the grid's middle, less 8. */
function roundToGrid(value: number, inverse: number, most: number): number {
  return Math.min(Math.max(roundShift(value * inverse), -MIDDLE_NIBBLE), most - MIDDLE_NIBBLE)
}

/** A product of 15 fractional bits, rounded. */
function roundShift(product: number): number {
  return (product + 2 ** 14) >> 15
}

/** A step's inverse in fixed point; of a block without steps, 0. */
function stepInverse(multiplier: number): number {
  return multiplier === 0 ? 0 : Math.floor((2 ** (16 - FRACTION_BITS) + multiplier) / (2 * multiplier))
}

/** The largest q whose integer is at most 255. */
function largestNibble(multiplier: number, offset: number): number {
  return multiplier === 0 ? 0 : Math.min(LARGEST_NIBBLE, Math.floor((LARGEST - offset) / multiplier))
}

/** The nearest offset whose integers are in 1..255. */
function clampOffset(offset: number): number {
  return offset < -LARGEST ? -LARGEST : offset > LARGEST ? LARGEST : offset
}
