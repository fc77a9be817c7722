import type { Assembler } from "./Assembler.ts"
import type { Isa } from "./Isa.ts"
import { at, atIndex, type Gpr, type Mem, r8, r9, r10, rbp } from "./registers.ts"

/** Output columns of a group: 16 rows of the weight matrix, side by side. */
export const GROUP_COLUMNS = 16
/** Bytes of a line: one run of columns for all 16 of a group. */
export const LINE_BYTES = 64

/** Bases that rows of x are addressed from: three rows each, at strides 0, 1 and 2 (rbp). */
const ROW_BASES = [r8, r9, r10] as const
/** Vector registers that a tile keeps free for weights, activations and spares. */
const NUM_OTHERS = 7

/**
 * A tile of a product: `numRows` rows of x times two vectors of output columns, one from each group of a pair.
 *
 * Its sums live in registers `0 .. 2 · numRows`; the others are taken one by one.
 */
export interface ProductTile {
  readonly asm: Assembler
  readonly isa: Isa
  readonly numRows: number
  /** Which half of a group's 16 columns, for vectors of 8 lanes. */
  readonly half: number
  /** Register of the sum of row `row` and vector `vector` (0 or 1). */
  sum(row: number, vector: number): number
  /** Register `index` of those that hold no sums. */
  other(index: number): number
  /** Where row `row` of x is, `disp` bytes on. */
  x(row: number, disp: number): Mem
}

/** Describes a tile; emits nothing. */
export function createProductTile(asm: Assembler, isa: Isa, numRows: number, half: number): ProductTile {
  return {
    asm,
    isa,
    numRows,
    half,
    sum: (row, vector) => 2 * row + vector,
    other(index) {
      const register = 2 * numRows + index
      if (register >= asm.numRegisters) throw new Error(`a tile of ${numRows} rows has no register ${index} to spare`)
      return register
    },
    x(row, disp) {
      const base = ROW_BASES[Math.floor(row / 3)]!
      const strides = row % 3
      return strides === 0 ? at(base, disp) : atIndex(base, rbp, strides as 1 | 2, disp)
    },
  }
}

/** Most rows of a tile. */
export function mostTileRows({ vectorBytes }: Isa): number {
  return vectorBytes === 64 ? 8 : (16 - NUM_OTHERS - 1) / 2
}

/** Points the further bases at their rows, from r8, the tile's first. */
export function emitRowBases({ asm, numRows }: ProductTile): void {
  for (let base = 1; base * 3 < numRows; base++) {
    asm.lea(ROW_BASES[base]!, atIndex(ROW_BASES[base - 1]!, rbp, 2))
    asm.add(ROW_BASES[base]!, rbp)
  }
}

/** Moves all rows of x on. */
export function advanceRows({ asm, numRows }: ProductTile, bytes: number): void {
  for (let base = 0; base * 3 < numRows; base++) asm.add(ROW_BASES[base]!, bytes)
}

/** Moves all rows of x on by as many bytes as a register says. */
export function advanceRowsBy({ asm, numRows }: ProductTile, bytes: Gpr): void {
  for (let base = 0; base * 3 < numRows; base++) asm.add(ROW_BASES[base]!, bytes)
}

/** Where vector `vector` of a pair's line is: the second group lies `group` bytes behind the first. */
export function weightsAt({ half }: ProductTile, cursor: Gpr, group: Gpr, vector: number, disp: number): Mem {
  const byte = disp + half * 32
  return vector === 0 ? at(cursor, byte) : atIndex(cursor, group, 1, byte)
}

/** Clears all sums. */
export function clearSums({ asm, numRows, sum }: ProductTile): void {
  for (let row = 0; row < numRows; row++) {
    for (const vector of [0, 1]) asm.vpxor(sum(row, vector), sum(row, vector), sum(row, vector))
  }
}
