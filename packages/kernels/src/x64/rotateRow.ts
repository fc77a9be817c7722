import { LARGE_BLOCK, MIXED_DISTANCE, SMALL_BLOCK } from "@consilium/tensor"
import type { Assembler } from "./Assembler.ts"
import { at, type Gpr } from "./registers.ts"
import { loadTail, type Tail } from "./vectorMath.ts"

/** Registers of a rotation; vectors 0 to 4 are free. */
export interface RowRotation {
  /** The row; moves on with it. */
  readonly from: Gpr
  readonly numColumns: Gpr
  /** Selects the lanes of a last vector that is not whole. */
  readonly tail: Tail
  /** Room for what it becomes, and for zeros behind it up to a multiple of 64 columns. */
  readonly rotated: Gpr
  readonly spares: readonly [Gpr, Gpr]
}

const LARGE_BYTES = LARGE_BLOCK * 4
const SMALL_BYTES = SMALL_BLOCK * 4
const MIXED_BYTES = MIXED_DISTANCE * 4

/** Emits `rotateRow` of the same bits. */
export function emitRotateRow(asm: Assembler, { from, numColumns, tail, rotated, spares }: RowRotation): void {
  const [to, counter] = spares
  asm.mov(to, rotated)
  asm.mov(counter, numColumns)
  asm.shr(counter, Math.log2(LARGE_BLOCK))
  asm.times(counter, () => {
    for (let small = 0; small < LARGE_BYTES; small += SMALL_BYTES) emitMixFours(asm, to, from, small, MIXED_BYTES)
    emitMixFours(asm, to, to, 0, SMALL_BYTES)
    asm.add(from, LARGE_BYTES)
    asm.add(to, LARGE_BYTES)
  })
  asm.mov(counter, numColumns)
  asm.and(counter, LARGE_BLOCK - 1)
  asm.shr(counter, Math.log2(SMALL_BLOCK))
  asm.times(counter, () => {
    emitMixFours(asm, to, from, 0, MIXED_BYTES, (vector) => asm.vaddps(vector, vector, vector))
    asm.add(from, SMALL_BYTES)
    asm.add(to, SMALL_BYTES)
  })
  const isWhole = asm.label()
  asm.mov(counter, numColumns)
  asm.and(counter, SMALL_BLOCK - 1)
  asm.jumpIf("equal", isWhole)
  emitRest(asm, { from, to, counter, tail })
  asm.bind(isWhole)
}

/** Two stages, of `distance` bytes and of twice as much, on `4 · distance` bytes from `first` on; then `finish` of each vector. */
function emitMixFours(
  asm: Assembler,
  to: Gpr,
  from: Gpr,
  first: number,
  distance: number,
  finish: (vector: number) => void = () => {},
): void {
  const [aPlus, aMinus, cPlus, cMinus, spare] = [0, 1, 2, 3, 4]
  for (let offset = first; offset < first + distance; offset += asm.vectorBytes) {
    asm.vmovups(spare, at(from, offset))
    asm.vaddps(aPlus, spare, at(from, offset + distance))
    asm.vsubps(aMinus, spare, at(from, offset + distance))
    asm.vmovups(spare, at(from, offset + 2 * distance))
    asm.vaddps(cPlus, spare, at(from, offset + 3 * distance))
    asm.vsubps(cMinus, spare, at(from, offset + 3 * distance))
    asm.vsubps(spare, aPlus, cPlus)
    asm.vaddps(aPlus, aPlus, cPlus)
    asm.vsubps(cPlus, aMinus, cMinus)
    asm.vaddps(aMinus, aMinus, cMinus)
    for (const [i, vector] of [aPlus, aMinus, spare, cPlus].entries()) {
      finish(vector)
      asm.vstoreups(at(to, offset + i * distance), vector)
    }
  }
}

/** The `counter` columns behind the last block, and zeros up to 64. */
function emitRest(asm: Assembler, { from, to, counter, tail }: { from: Gpr; to: Gpr; counter: Gpr; tail: Tail }): void {
  const { lanes, vectorBytes } = asm
  const [value, growth] = [0, 1]
  asm.vpxor(value, value, value)
  for (let offset = 0; offset < SMALL_BYTES; offset += vectorBytes) asm.vstoreups(at(to, offset), value)
  asm.vbroadcastss(growth, asm.f32(4))
  asm.shr(counter, Math.log2(lanes))
  asm.times(counter, () => {
    asm.vmulps(value, growth, at(from))
    asm.vstoreups(at(to), value)
    asm.add(from, vectorBytes)
    asm.add(to, vectorBytes)
  })
  loadTail(asm, value, at(from), tail)
  asm.vmulps(value, value, growth)
  asm.vstoreups(at(to), value)
}
