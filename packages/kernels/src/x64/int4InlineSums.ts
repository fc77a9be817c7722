/** Sums of a tile of rows with 4-bit weights that are expanded line by line, as they are used: they never lie in memory as 8 bits. */
import {
  BLOCK_LINES,
  BLOCK_PARAMETER_BYTES,
  type BlockParameters,
  emitBlockParameters,
  emitExpandLine,
  emitNibbleMask,
  LINE_COLUMNS,
} from "./expandInt4.ts"
import { advanceRows, LINE_BYTES, type ProductTile, weightsAt } from "./ProductTile.ts"
import { PREFETCH_BYTES, STEP_COLUMNS } from "./productSums.ts"
import { at, atIndex, r11, r13, r14, rax, rsi } from "./registers.ts"

/** Lines of a group that one turn of the loop takes. */
const STEP_LINES = 2 * BLOCK_LINES
/** Bytes of both groups that one turn takes, and of the next pair that it asks for. */
const STEP_BYTES = 2 * (STEP_LINES * LINE_BYTES + BLOCK_PARAMETER_BYTES)

/** A vector's registers: its weights of a line's columns 0–3 and 4–7, and its block's parameters. */
interface Expanded extends BlockParameters {
  readonly low: number
  readonly high: number
}

/**
 * Emits sums of 4-bit weights, for vectors of 16 lanes and their 32 registers; rax = K / 64, rsi = the first group's parameters, r11 = the pair's first line, r14 = the distance to
 * its second group, r13 = the next pair. Changes rsi, r11, r13. Moves x by K bytes.
 */
export function emitInt4InlineSums(tile: ProductTile): void {
  const { asm } = tile
  const [nibbles, x] = [tile.other(0), tile.other(1)]
  const vectors = [0, 1].map((vector): Expanded => {
    const register = (index: number): number => tile.other(2 + 4 * vector + index)
    return { low: register(0), high: register(1), multiplier: register(2), offset: register(3) }
  })
  emitNibbleMask(asm, nibbles)
  asm.times(rax, () => {
    for (const block of [0, 1] as const) {
      for (const [vector, to] of vectors.entries())
        emitBlockParameters(asm, to, { parameters: rsi, group: vector === 0 ? undefined : r14, block, half: 0 })
      for (let line = block * BLOCK_LINES; line < (block + 1) * BLOCK_LINES; line++) {
        emitPrefetch(tile, line)
        for (const [vector, { low, high, ...parameters }] of vectors.entries()) {
          asm.vmovups(low, weightsAt(tile, r11, r14, vector, line * LINE_BYTES))
          emitExpandLine(asm, low, high, nibbles, parameters)
        }
        for (const part of ["low", "high"] as const) {
          for (let row = 0; row < tile.numRows; row++) {
            asm.vbroadcastss(x, tile.x(row, line * LINE_COLUMNS + (part === "low" ? 0 : 4)))
            for (const [vector, to] of vectors.entries()) asm.vpdpbusd(tile.sum(row, vector), to[part], x)
          }
        }
      }
    }
    asm.prefetcht1(at(r13, 2 * STEP_LINES * LINE_BYTES))
    asm.add(r11, STEP_LINES * LINE_BYTES)
    asm.add(rsi, BLOCK_PARAMETER_BYTES)
    asm.add(r13, STEP_BYTES)
    advanceRows(tile, STEP_COLUMNS)
  })
}

/** Asks for what is used soon, into the nearest cache, and for as much of the next pair, which is one run of memory, into the second. */
function emitPrefetch({ asm }: ProductTile, line: number): void {
  asm.prefetcht0(at(r11, line * LINE_BYTES + PREFETCH_BYTES))
  asm.prefetcht0(atIndex(r11, r14, 1, line * LINE_BYTES + PREFETCH_BYTES))
  for (const next of [2 * line, 2 * line + 1]) asm.prefetcht1(at(r13, next * LINE_BYTES))
}
