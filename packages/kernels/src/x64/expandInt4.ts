import type { Assembler } from "./Assembler.ts"
import { atIndex, type Gpr } from "./registers.ts"

/** Bytes of block parameters for 64 columns: 16 of multipliers (two blocks' nibbles), then 16 of offsets for each block. */
export const BLOCK_PARAMETER_BYTES = 48
/** Columns of 4-bit values in a line of 64 bytes (16 rows × 4 bytes). */
export const LINE_COLUMNS = 8
/** Lines of a block of 32 columns. */
export const BLOCK_LINES = 4

/** Registers that hold a vector's block parameters, spread over its bytes. */
export interface BlockParameters {
  /** Words: the row's multiplier in both halves of its 32 bits. */
  readonly multiplier: number
  /** Bytes: the row's offset four times. */
  readonly offset: number
}

/** Where parameters are: of block 0 or 1 of the 64 columns at `parameters (+ group)`; `half` says which rows of the group, for vectors of 8 lanes. */
interface ParameterPlace {
  readonly parameters: Gpr
  readonly group: Gpr | undefined
  readonly block: 0 | 1
  readonly half: number
}

/** Emits loads of a block's parameters. */
export function emitBlockParameters(asm: Assembler, to: BlockParameters, from: ParameterPlace): void {
  emitParameterLanes(asm, to, from)
  spreadMultipliers(asm, to.multiplier)
  asm.vpshufb(to.offset, to.offset, spread(asm, [0, 0, 0, 0]))
}

/** Emits loads of a block's parameters as they are, a row's in 32 bits. */
export function emitParameterLanes(
  asm: Assembler,
  { multiplier, offset }: BlockParameters,
  from: ParameterPlace,
): void {
  const { parameters, group, block, half } = from
  const byte = (disp: number) =>
    group === undefined ? { base: parameters, disp } : atIndex(parameters, group, 1, disp)
  asm.vpmovzxbd(multiplier, byte(half * 8))
  if (block === 0) asm.vpand(multiplier, multiplier, asm.constant(new Int32Array(asm.lanes).fill(15)))
  else asm.vpsrld(multiplier, multiplier, 4)
  asm.vpmovzxbd(offset, byte(16 + block * 16 + half * 8))
}

/** Emits a copy of each row's multiplier to the other half of its 32 bits. */
export function spreadMultipliers(asm: Assembler, multiplier: number): void {
  asm.vpshufb(multiplier, multiplier, spread(asm, [0, 0x80, 0, 0x80]))
}

/**
 * Emits `low`, `high` = the 8-bit forms (u = q · m + c) of a line's columns 0–3 and 4–7. The line's bytes are in `low`.
 *
 * A word holds two nibbles apart: q · m ≤ 225, so their products do not meet.
 */
export function emitExpandLine(
  asm: Assembler,
  low: number,
  high: number,
  nibbles: number,
  { multiplier, offset }: BlockParameters,
): void {
  asm.vpsrld(high, low, 4)
  asm.vpand(low, low, nibbles)
  asm.vpand(high, high, nibbles)
  asm.vpmullw(low, low, multiplier)
  asm.vpmullw(high, high, multiplier)
  asm.vpaddb(low, low, offset)
  asm.vpaddb(high, high, offset)
}

/** Emits the mask of low nibbles. */
export function emitNibbleMask(asm: Assembler, to: number): void {
  asm.vbroadcastss(to, asm.i32(0x0f0f0f0f))
}

/** A shuffle that gives every 32 bits the same bytes of themselves; 0x80 is zero. */
function spread(asm: Assembler, bytes: readonly number[]) {
  return asm.constant(
    Uint8Array.from({ length: asm.vectorBytes }, (_, i) => {
      const from = bytes[i & 3]!
      return from === 0x80 ? 0x80 : (i & 12) + from
    }),
  )
}
