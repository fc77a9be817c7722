import type { Format } from "@consilium/kernels"

/** A product's kernel: what its code is generated from. */
export interface ProductKind {
  readonly format: Format
  readonly tile: Tile
  /** Two matrices whose groups take turns: a row of out is the first's results, then the second's. */
  readonly isPaired: boolean
  /** Slabs and rows are those of a list of tiles: many experts of a heap in one dispatch. */
  readonly isGrouped: boolean
  /** Which row of x is read is looked up: an expert's tokens lie apart. */
  readonly isGathered: boolean
}

/** Rows of x that share a load of weights. The last is for many: a kernel of its own shares blocks of both. */
export type Tile = 1 | 4 | 8 | typeof BLOCK_ROWS
export const BLOCK_ROWS = 64

/** Rows from which on blocks are shared: what a block lacks of rows is not computed. */
const MANY_ROWS = 16

/** Returns the tile for so many rows. Sums in f32 have one order, that of the small tiles. */
export function tileFor(format: Format, numRows: number): Tile {
  if (numRows >= MANY_ROWS && format !== "f32") return BLOCK_ROWS
  return ([1, 4] as const).find((tile) => numRows <= tile) ?? 8
}

/**
 * Returns the tile for experts that share `numTokens` rows out: no expert has more than one row of a token.
 *
 * @param meanRows rows of an expert, on average
 */
export function tileForExperts(format: Format, numTokens: number, meanRows: number): Tile {
  return numTokens === 1 ? 1 : tileFor(format, Math.min(numTokens, Math.max(4, Math.ceil(meanRows))))
}

/** Returns a name unlike that of any other product's kernel. */
export function productName({ format, tile, isPaired, isGrouped, isGathered }: ProductKind): string {
  return `product ${format} ${tile} ${isPaired} ${isGrouped} ${isGathered}`
}
