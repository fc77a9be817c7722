import type { Assembler } from "./Assembler.ts"
import type { Mem } from "./registers.ts"

/** A vector that keeps the upper halves of words. */
export function upperHalves(asm: Assembler): Mem {
  return asm.constant(new Int32Array(asm.lanes).fill(-0x1_0000))
}

/** Emits bf16 pairs of two vectors of f32: `low` to the lower halves of words, `high` to the upper ones, rounded to nearest, ties to even. Changes `high` and `spare`. */
export function emitPackPairs(asm: Assembler, low: number, high: number, spare: readonly [number, number]): void {
  emitRound(asm, low, spare)
  emitRound(asm, high, spare)
  asm.vpsrld(low, low, 16)
  asm.vpand(high, high, upperHalves(asm))
  asm.vpor(low, low, high)
}

/**
 * Emits `value + half of a bf16's last place`, so that the upper half is rounded.
 *
 * The largest NaN is as far as a magnitude may go: beyond it the sum would change its sign. There is no minimum of integers in the assembler, but a maximum.
 */
function emitRound(asm: Assembler, value: number, [magnitude, odd]: readonly [number, number]): void {
  const every = (word: number): Mem => asm.constant(new Int32Array(asm.lanes).fill(word))
  asm.vpand(magnitude, value, every(0x7fff_ffff))
  asm.vmovups(odd, every(0x7fff_0000))
  asm.vpsubd(magnitude, odd, magnitude)
  asm.vpxor(odd, odd, odd)
  asm.vpmaxsd(magnitude, magnitude, odd)
  asm.vmovups(odd, every(0x7fff_0000))
  asm.vpsubd(magnitude, odd, magnitude)
  asm.vpsrld(odd, magnitude, 16)
  asm.vpand(odd, odd, every(1))
  asm.vpaddd(magnitude, magnitude, odd)
  asm.vpaddd(magnitude, magnitude, every(0x7fff))
  asm.vpand(value, value, every(-0x8000_0000))
  asm.vpor(value, value, magnitude)
}
