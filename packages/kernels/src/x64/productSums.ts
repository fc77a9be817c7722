/** The innermost loops: how a tile's sums come about in each format. rax counts, r11 walks the weights, r14 is the distance to the pair's second group. */
import { emitDot, emitWeights } from "./dotProduct.ts"
import { advanceRows, LINE_BYTES, type ProductTile, weightsAt } from "./ProductTile.ts"
import { at, atIndex, r11, r13, r14, rax } from "./registers.ts"

/** How far ahead of the weights memory is asked for. */
export const PREFETCH_BYTES = 4096
/** Columns that one turn of a loop over 8-bit values takes. */
export const STEP_COLUMNS = 64

/**
 * How memory is asked for before it is used. With few rows: the same weights, some KiB ahead. With many: lines of the next pair, which r13 walks, spread over
 * the work on this one, so many with each turn; asked for at once they would fill the core's line buffers.
 */
export type Prefetch = { readonly from: "same pair" } | { readonly from: "next pair"; readonly linesPerTurn: number }

/** Emits sums of 8-bit weights `[K / 4][16][4]`; rax = K / 64, r11 = the pair's first line. Moves x by K bytes. */
export function emitInt8Sums(tile: ProductTile, prefetch: Prefetch): void {
  const { asm, isa, numRows, sum, other, x } = tile
  const [weights, activation, spares] = [[other(0), other(1)], other(2), [other(3), other(4)] as const]
  const numLines = STEP_COLUMNS / 4
  asm.times(rax, () => {
    for (let line = 0; line < numLines; line++) {
      for (const vector of [0, 1]) {
        asm.vmovups(weights[vector]!, weightsAt(tile, r11, r14, vector, line * LINE_BYTES))
        emitWeights(asm, isa, weights[vector]!)
      }
      if (prefetch.from === "same pair") emitPrefetch(tile, line * LINE_BYTES)
      else emitNextPrefetch(tile, line, numLines, prefetch.linesPerTurn)
      for (let row = 0; row < numRows; row++) {
        asm.vbroadcastss(activation, x(row, line * 4))
        for (const vector of [0, 1]) emitDot(asm, isa, sum(row, vector), weights[vector]!, activation, spares)
      }
    }
    asm.add(r11, numLines * LINE_BYTES)
    if (prefetch.from === "next pair") asm.add(r13, prefetch.linesPerTurn * LINE_BYTES)
    advanceRows(tile, STEP_COLUMNS)
  })
}

/** Asks for this line's share of the next pair. */
function emitNextPrefetch({ asm, half }: ProductTile, line: number, numLines: number, linesPerTurn: number): void {
  if (half > 0) return
  const first = Math.floor((line * linesPerTurn) / numLines)
  const end = Math.floor(((line + 1) * linesPerTurn) / numLines)
  for (let next = first; next < end; next++) asm.prefetcht1(at(r13, next * LINE_BYTES))
}

/** Columns that one turn of the f32 loop takes. */
export const F32_UNROLL = 4

/** Emits sums of f32 weights `[K][16]`, columns in order, one fma each; rax = how many times `unroll` columns. Moves x by as many. */
export function emitF32Sums(tile: ProductTile, unroll: number): void {
  const { asm, numRows, sum, other, x } = tile
  const [weights, activation] = [[other(0), other(1)], other(2)]
  asm.times(rax, () => {
    for (let column = 0; column < unroll; column++) {
      for (const vector of [0, 1]) asm.vmovups(weights[vector]!, weightsAt(tile, r11, r14, vector, column * LINE_BYTES))
      emitPrefetch(tile, column * LINE_BYTES)
      for (let row = 0; row < numRows; row++) {
        asm.vbroadcastss(activation, x(row, column * 4))
        for (const vector of [0, 1]) asm.vfmadd231ps(sum(row, vector), weights[vector]!, activation)
      }
    }
    asm.add(r11, unroll * LINE_BYTES)
    advanceRows(tile, unroll * 4)
  })
}

/** Asks for both groups' lines; a second half of a line is there already. */
function emitPrefetch({ asm, half }: ProductTile, disp: number): void {
  if (half > 0) return
  asm.prefetcht0(at(r11, disp + PREFETCH_BYTES))
  asm.prefetcht0(atIndex(r11, r14, 1, disp + PREFETCH_BYTES))
}
