/** The innermost loops: how a tile's sums come about in each format. rax counts, r11 walks the weights, r14 is the distance to the pair's second group. */
import { emitDot, emitWeights } from "./dotProduct.ts"
import {
  BLOCK_LINES,
  BLOCK_PARAMETER_BYTES,
  emitBlockParameters,
  emitExpandLine,
  emitNibbleMask,
  LINE_COLUMNS,
} from "./expandInt4.ts"
import { advanceRows, LINE_BYTES, type ProductTile, weightsAt } from "./ProductTile.ts"
import { at, atIndex, r10, r11, r14, rax } from "./registers.ts"

/** How far ahead of the weights memory is asked for. */
export const PREFETCH_BYTES = 4096
/** Columns that one turn of a loop over 8-bit values takes. */
export const STEP_COLUMNS = 64

/** Emits sums of 8-bit weights `[K / 4][16][4]`; rax = K / 64, r11 = the pair's first line. Moves x by K bytes. */
export function emitInt8Sums(tile: ProductTile): void {
  const { asm, isa, numRows, sum, other, x } = tile
  const [weights, activation, spares] = [[other(0), other(1)], other(2), [other(3), other(4)] as const]
  asm.times(rax, () => {
    for (let line = 0; line < STEP_COLUMNS / 4; line++) {
      for (const vector of [0, 1]) {
        asm.vmovups(weights[vector]!, weightsAt(tile, r11, r14, vector, line * LINE_BYTES))
        emitWeights(asm, isa, weights[vector]!)
      }
      emitPrefetch(tile, line * LINE_BYTES)
      for (let row = 0; row < numRows; row++) {
        asm.vbroadcastss(activation, x(row, line * 4))
        for (const vector of [0, 1]) emitDot(asm, isa, sum(row, vector), weights[vector]!, activation, spares)
      }
    }
    asm.add(r11, (STEP_COLUMNS / 4) * LINE_BYTES)
    advanceRows(tile, STEP_COLUMNS)
  })
}

/** Most rows of `emitInt4Sums`: with more, it pays to expand the weights to memory once. */
export function mostInt4Rows(numRegisters: number): number {
  return numRegisters === 32 ? 4 : 2
}

/**
 * Emits sums of 4-bit weights, expanded in registers; rax = K / 64, r11 = the pair's first line, r10 = its block parameters (r10 + r14 the second
 * group's). Moves x by K bytes.
 */
export function emitInt4Sums(tile: ProductTile): void {
  const { asm, isa, numRows, sum, other, x } = tile
  const [low, high, activation, nibbles] = [other(0), other(1), other(2), other(3)] as const
  const spares = [other(4), other(5)] as const
  const parameters = [0, 1].map((vector) => ({ multiplier: other(6 + vector * 2), offset: other(7 + vector * 2) }))
  emitNibbleMask(asm, nibbles)
  asm.times(rax, () => {
    for (const block of [0, 1] as const) {
      for (const vector of [0, 1]) {
        const group = vector === 0 ? undefined : r14
        emitBlockParameters(asm, parameters[vector]!, { parameters: r10, group, block, half: tile.half })
        emitWeights(asm, isa, parameters[vector]!.offset)
      }
      for (let l = 0; l < BLOCK_LINES; l++) {
        const line = block * BLOCK_LINES + l
        emitPrefetch(tile, line * LINE_BYTES)
        for (const vector of [0, 1]) {
          asm.vmovups(low, weightsAt(tile, r11, r14, vector, line * LINE_BYTES))
          emitExpandLine(asm, low, high, nibbles, parameters[vector]!)
          for (let row = 0; row < numRows; row++) {
            asm.vbroadcastss(activation, x(row, line * LINE_COLUMNS))
            emitDot(asm, isa, sum(row, vector), low, activation, spares)
            asm.vbroadcastss(activation, x(row, line * LINE_COLUMNS + 4))
            emitDot(asm, isa, sum(row, vector), high, activation, spares)
          }
        }
      }
    }
    asm.add(r11, (STEP_COLUMNS / LINE_COLUMNS) * LINE_BYTES)
    asm.add(r10, BLOCK_PARAMETER_BYTES)
    advanceRows(tile, STEP_COLUMNS)
  })
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
