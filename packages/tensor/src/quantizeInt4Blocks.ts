/** Values that share one scale and one zero point. */
export const INT4_BLOCK = 32

const BYTES = INT4_BLOCK / 2
const LARGEST = 15
/** Shares of a block's range that its grid may span: less clips the extremes and places the others more finely; 1 is plain rounding. */
const WIDTHS = [0.8, 0.87, 0.93, 1, 1.05] as const

/**
 * Weights in 4 bits: `w = scale · (q - zeroPoint)`, q and zeroPoint 0..15, in blocks of 32.
 *
 * Nibbles are packed the low one first: value `2i` of a block is the low half of its byte `i`, zero point `2b` the low half of byte `b`.
 */
export interface Int4Blocks {
  /** `[numBlocks, 16]` */
  readonly values: Uint8Array
  /** `[numBlocks]` */
  readonly scales: Float32Array
  /** `[⌈numBlocks / 2⌉]` */
  readonly zeroPoints: Uint8Array
}

/** Allocates `numBlocks` blocks. */
export function createInt4Blocks(numBlocks: number): Int4Blocks {
  return {
    values: new Uint8Array(numBlocks * BYTES),
    scales: new Float32Array(numBlocks),
    zeroPoints: new Uint8Array((numBlocks + 1) >> 1),
  }
}

/**
 * Quantises `weights`, a multiple of 32 of them, into `out`, choosing each block's scale and zero point for the least squared error.
 *
 * For a given grid of integers u = q - zeroPoint the best scale is Σwu / Σu², and leaves an error of Σw² - (Σwu)² / Σu². Tried are two
 * symmetric grids, five widths of grid at the zero point that centres them, then the winner's neighbours; the best is rounded and fitted once
 * more. Never worse than plain rounding, symmetric or with a zero point, beyond the rounding of the f32 scale; zero stays exactly zero.
 *
 * @throws RangeError on a NaN or infinite weight, naming its index
 * @see the scale search of llama.cpp, ggml-quants.c `make_qx_quants`
 */
export function quantizeInt4Blocks(out: Int4Blocks, weights: Float32Array): void {
  const numBlocks = weights.length / INT4_BLOCK
  if (!Number.isInteger(numBlocks)) {
    throw new RangeError(
      `expected a multiple of ${INT4_BLOCK} weights, found ${weights.length}: pad the row with zeros`,
    )
  }
  const block = new Float64Array(INT4_BLOCK)
  const grid: Grid = { zeroPoint: 8, inverse: 0, gain: 0 }
  for (let b = 0; b < numBlocks; b++) {
    for (let i = 0; i < INT4_BLOCK; i++) block[i] = weights[b * INT4_BLOCK + i]!
    searchGrid(grid, block, b)
    const scale = Math.fround(1 / grid.inverse)
    const isZero = grid.gain === 0 || scale === 0
    out.scales[b] = isZero ? 0 : scale
    packBlock(out, b, block, isZero ? 8 : grid.zeroPoint, isZero ? 0 : 1 / scale)
  }
}

/** Writes `scale · (q - zeroPoint)` of the first `out.length` values; `out.length` is a multiple of 32. */
export function dequantizeInt4Blocks(out: Float32Array, blocks: Int4Blocks): void {
  for (let i = 0; i < out.length; i += 2) {
    const block = Math.floor(i / INT4_BLOCK)
    const scale = blocks.scales[block]!
    const zeroPoint = (blocks.zeroPoints[block >> 1]! >> ((block & 1) * 4)) & LARGEST
    const pair = blocks.values[i / 2]!
    out[i] = scale * ((pair & LARGEST) - zeroPoint)
    out[i + 1] = scale * ((pair >> 4) - zeroPoint)
  }
}

/** A candidate; `gain` is the squared error that it saves against all zeros. */
interface Grid {
  zeroPoint: number
  inverse: number
  gain: number
}

function searchGrid(grid: Grid, block: Float64Array, blockId: number): void {
  grid.gain = 0
  let low = 0
  let high = 0
  // Math.min and Math.max pass NaN on, a comparison would lose it.
  for (let i = 0; i < INT4_BLOCK; i++) {
    low = Math.min(low, block[i]!)
    high = Math.max(high, block[i]!)
  }
  if (!Number.isFinite(high - low)) throwNotFinite(block, blockId)
  if (high === low) return

  const extreme = Math.max(high, -low)
  tryGrid(grid, block, 8, 7 / extreme)
  tryGrid(grid, block, high > -low ? 7 : 8, 8 / extreme)
  for (let i = 0; i < WIDTHS.length; i++) {
    const inverse = LARGEST / ((high - low) * WIDTHS[i]!)
    tryGrid(grid, block, clampNibble(Math.round((LARGEST - (low + high) * inverse) / 2)), inverse)
  }
  const { zeroPoint, inverse } = grid
  if (zeroPoint > 0) tryGrid(grid, block, zeroPoint - 1, inverse)
  if (zeroPoint < LARGEST) tryGrid(grid, block, zeroPoint + 1, inverse)
  tryGrid(grid, block, grid.zeroPoint, grid.inverse)
}

/** Keeps the grid that rounding at `inverse` gives, with its best scale, if it gains more than the best so far. */
function tryGrid(grid: Grid, block: Float64Array, zeroPoint: number, inverse: number): void {
  const shift = zeroPoint + 0.5
  let products = 0
  let squares = 0
  for (let i = 0; i < INT4_BLOCK; i++) {
    const weight = block[i]!
    const u = clampNibble((weight * inverse + shift) | 0) - zeroPoint
    products += weight * u
    squares += u * u
  }
  const gain = (products * products) / squares
  if (!(gain > grid.gain)) return
  grid.zeroPoint = zeroPoint
  grid.inverse = squares / products
  grid.gain = gain
}

function packBlock(out: Int4Blocks, blockId: number, block: Float64Array, zeroPoint: number, inverse: number): void {
  const shift = zeroPoint + 0.5
  for (let i = 0; i < BYTES; i++) {
    const low = clampNibble((block[2 * i]! * inverse + shift) | 0)
    const high = clampNibble((block[2 * i + 1]! * inverse + shift) | 0)
    out.values[blockId * BYTES + i] = low | (high << 4)
  }
  const half = (blockId & 1) * 4
  const other = out.zeroPoints[blockId >> 1]! & (half === 0 ? 0xf0 : 0x0f)
  out.zeroPoints[blockId >> 1] = other | (zeroPoint << half)
}

function clampNibble(value: number): number {
  return value < 0 ? 0 : value > LARGEST ? LARGEST : value
}

function throwNotFinite(block: Float64Array, blockId: number): never {
  const place = block.findIndex((weight) => !Number.isFinite(weight))
  const index = blockId * INT4_BLOCK + place
  throw new RangeError(`expected finite weights, found ${block[place]} at index ${index}: the checkpoint is damaged`)
}
