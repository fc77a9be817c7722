import { Assembler } from "./Assembler.ts"
import type { Isa } from "./Isa.ts"
import { addressArgument, emitKernel, loadArgument } from "./kernelAbi.ts"
import { TAIL_CORRECTION, TAIL_SCALE } from "./quantizedRows.ts"
import { at, atIndex, r8, r9, r10, r11, r12, r13, r14, r15, rax, rbp, rbx, rcx, rdx, rsi } from "./registers.ts"
import { emitRotateRow } from "./rotateRow.ts"
import { loadTail, reduceLanes, selectTail } from "./vectorMath.ts"

/** Arguments of `emitQuantizeRows`, by their place in the record. `rotated`: `paddedColumns` f32 values of room, where rows are rotated. */
export const QUANTIZE_ROWS = {
  x: 1,
  xStride: 2,
  out: 3,
  outStride: 4,
  numRows: 5,
  numColumns: 6,
  paddedColumns: 7,
  rotated: 8,
} as const

/** Below this a row's 127 / max|x| is infinite: such a row is zeros. */
const SMALLEST = 0x03000000 // 3.8e-37 as f32 bits
const INFINITE_BITS = 0x7f800000
const TAIL = { opmask: 1, vector: 7 } as const

/**
 * Emits: f32 rows → `quantizedRows`, one scale a row: max|x| / 127, nearest, half to even.
 *
 * A row that holds NaN or infinity, before or after its rotation, gets scale NaN and zeros, so that the fault shows in every product with it.
 */
export function emitQuantizeRows(isa: Isa, { isRotated }: { readonly isRotated: boolean }): Uint8Array {
  const asm = new Assembler(isa.vectorBytes)
  const { lanes, vectorBytes } = asm
  const source = isRotated ? rsi : r12
  emitKernel(asm, () => {
    addressArgument(asm, r12, QUANTIZE_ROWS.x)
    loadArgument(asm, r13, QUANTIZE_ROWS.xStride)
    addressArgument(asm, r14, QUANTIZE_ROWS.out)
    loadArgument(asm, r15, QUANTIZE_ROWS.outStride)
    loadArgument(asm, rbx, QUANTIZE_ROWS.numRows)
    loadArgument(asm, rbp, QUANTIZE_ROWS.numColumns)
    loadArgument(asm, r11, QUANTIZE_ROWS.paddedColumns)
    if (isRotated) {
      addressArgument(asm, rax, QUANTIZE_ROWS.rotated)
      asm.mov(rsi, rax)
    }
    // r10: whole vectors of a row; the rest is the tail's. A rotated row has no tail.
    asm.mov(r10, isRotated ? r11 : rbp)
    asm.shr(r10, Math.log2(lanes))
    asm.mov(rcx, rbp)
    asm.and(rcx, lanes - 1)
    selectTail(asm, rcx, TAIL)
    asm.times(rbx, () => {
      if (isRotated) {
        asm.mov(r8, r12)
        emitRotateRow(asm, { from: r8, numColumns: rbp, tail: TAIL, rotated: rsi, spares: [r9, rdx] })
      }
      emitLargest(asm)
      emitScales(asm)
      emitQuantized(asm)
      asm.add(r12, r13)
      asm.add(r14, r15)
    })
  })
  return asm.finish()

  /** Leaves the bits of max|x| in eax. As integers, NaN is above infinity is above all others: a fault is never lost. */
  function emitLargest(asm: Assembler): void {
    const [largest, value, sign] = [0, 1, 2]
    asm.vpxor(largest, largest, largest)
    asm.vbroadcastss(sign, asm.i32(0x7fffffff))
    asm.mov(r8, source)
    asm.mov(r9, r10)
    asm.times(r9, () => {
      asm.vpand(value, sign, at(r8))
      asm.vpmaxsd(largest, largest, value)
      asm.add(r8, vectorBytes)
    })
    if (!isRotated) {
      loadTail(asm, value, at(r8), TAIL)
      asm.vpand(value, value, sign)
      asm.vpmaxsd(largest, largest, value)
    }
    reduceLanes(asm, "vpmaxsd", largest, value)
    asm.vmovdToGpr(rax, largest)
  }

  /** Writes the row's scale; leaves 127 / max|x|, or zero where nothing can be scaled, in vector 3. */
  function emitScales(asm: Assembler): void {
    const [largest, constant, scale, inverse] = [0, 1, 2, 3]
    const [isSmall, isFault, done] = [asm.label(), asm.label(), asm.label()]
    asm.vbroadcastss(constant, asm.f32(127))
    asm.vdivps(scale, largest, constant)
    asm.vdivps(inverse, constant, largest)
    asm.cmp(rax, SMALLEST)
    asm.jumpIf("below", isSmall)
    asm.cmp(rax, INFINITE_BITS)
    asm.jumpIf("below", done)
    asm.vbroadcastss(scale, asm.f32(Number.NaN))
    asm.jump(isFault)
    asm.bind(isSmall)
    asm.vpxor(scale, scale, scale)
    asm.bind(isFault)
    asm.vpxor(inverse, inverse, inverse)
    asm.bind(done)
    asm.vstoress(atIndex(r14, r11, 1, TAIL_SCALE), scale)
  }

  /** Writes the row's bytes, zeros up to `paddedColumns`, and its correction. */
  function emitQuantized(asm: Assembler): void {
    const [sum, inverse, spare] = [0, 3, 4]
    const isFinite = asm.label()
    asm.vpxor(sum, sum, sum)
    asm.mov(r8, source)
    asm.mov(r9, r14)
    const quantize = (value: number): void => {
      asm.vmulps(value, value, inverse)
      asm.vcvtps2dq(value, value)
      asm.vpaddd(sum, sum, value)
      emitNarrow(asm, value, spare)
    }
    // NaN · 0 is NaN and converts to -2^31: a faulty row is written as zeros instead.
    asm.cmp(rax, INFINITE_BITS)
    asm.jumpIf("below", isFinite)
    asm.mov(rdx, r11)
    asm.shr(rdx, Math.log2(lanes))
    const end = asm.label()
    asm.vpxor(1, 1, 1)
    asm.times(rdx, () => emitNarrow(asm, 1, spare))
    asm.jump(end)
    asm.bind(isFinite)
    asm.mov(rdx, r10)
    asm.times(rdx, () => {
      asm.vmovups(1, at(r8))
      asm.add(r8, vectorBytes)
      quantize(1)
    })
    if (!isRotated) emitPadding(asm, quantize, spare)
    asm.bind(end)
    emitCorrection(asm)
  }

  /** Quantises the row's tail, where the kernel has one, and writes zeros up to `paddedColumns`. */
  function emitPadding(asm: Assembler, quantize: (value: number) => void, spare: number): void {
    asm.lea(rdx, atIndex(r14, r11))
    const [pad, padded] = [asm.label(), asm.label()]
    asm.cmp(r9, rdx)
    asm.jumpIf("aboveOrEqual", padded)
    loadTail(asm, 1, at(r8), TAIL)
    quantize(1)
    asm.vpxor(1, 1, 1)
    asm.bind(pad)
    asm.cmp(r9, rdx)
    asm.jumpIf("aboveOrEqual", padded)
    emitNarrow(asm, 1, spare)
    asm.jump(pad)
    asm.bind(padded)
  }

  /** Stores the 32-bit lanes of `value` as bytes at r9, and moves it on. Changes `value`. */
  function emitNarrow(asm: Assembler, value: number, spare: number): void {
    if (vectorBytes === 64) asm.vpmovsdb(at(r9), value)
    else {
      asm.vpackssdw(value, value, value)
      asm.vpacksswb(value, value, value)
      asm.vmovups(spare, asm.constant(Int32Array.of(0, 4, 0, 4, 0, 4, 0, 4)))
      asm.vpermd(value, spare, value)
      asm.vstoreLow64(at(r9), value)
    }
    asm.add(r9, lanes)
  }

  /** Sums below 2^24 are exact as f32. */
  function emitCorrection(asm: Assembler): void {
    const [sum, spare] = [0, 1]
    asm.vcvtdq2ps(sum, sum)
    reduceLanes(asm, "vaddps", sum, spare)
    asm.vbroadcastss(spare, asm.f32(-128))
    asm.vmulps(sum, sum, spare)
    asm.vcvtps2dq(sum, sum)
    asm.vstoress(atIndex(r14, r11, 1, TAIL_CORRECTION), sum)
  }
}
