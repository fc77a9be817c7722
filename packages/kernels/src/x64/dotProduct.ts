import type { Assembler } from "./Assembler.ts"
import type { Isa } from "./Isa.ts"

/**
 * Emits `sums += Σ₄ weights · x`: unsigned bytes of `weights` (u = q + 128) times signed bytes of `x`, four at a time, without saturation.
 *
 * Without VNNI it computes with q itself: |q| · (±x) stays below 2 · 127² < 2^15, where u · x would saturate. Changes `spares` then.
 *
 * @param weights what `emitWeights` made of them; with VNNI the sums are off by what `needsCorrection` says
 */
export function emitDot(
  asm: Assembler,
  isa: Isa,
  sums: number,
  weights: number,
  x: number,
  spares: readonly [number, number],
): void {
  if (isa.hasVnni) return asm.vpdpbusd(sums, weights, x)
  const [magnitude, product] = spares
  asm.vpabsb(magnitude, weights)
  asm.vpsignb(product, x, weights)
  asm.vpmaddubsw(product, magnitude, product)
  asm.vpmaddwd(product, product, asm.constant(new Int16Array(asm.vectorBytes / 2).fill(1)))
  asm.vpaddd(sums, sums, product)
}

/** Turns bytes u = q + 128 into what `emitDot` takes: themselves with VNNI, q without. */
export function emitWeights(asm: Assembler, isa: Isa, weights: number): void {
  if (!isa.hasVnni) asm.vpxor(weights, weights, asm.constant(new Uint8Array(asm.vectorBytes).fill(0x80)))
}

/** Whether sums of `emitDot` are 128 · Σx too large. */
export function needsCorrection(isa: Isa): boolean {
  return isa.hasVnni
}
