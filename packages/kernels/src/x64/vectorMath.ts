/** What kernels share: reductions, tails and the exponential, each described once for both vector widths. */
import { SWIGLU_SLOPE } from "@consilium/tensor"
import type { Assembler } from "./Assembler.ts"
import type { Gpr, Mem } from "./registers.ts"

/** Sets every lane of `value` to the sum, or the maximum, of its lanes. The order is fixed by the vector width alone. */
export function reduceLanes(asm: Assembler, op: "vaddps" | "vmaxps" | "vpmaxsd", value: number, spare: number): void {
  if (asm.vectorBytes === 64) {
    asm.vshuff32x4(spare, value, value, 0x4e)
    asm[op](value, value, spare)
    asm.vshuff32x4(spare, value, value, 0xb1)
  } else asm.vperm2f128(spare, value, value, 0x01)
  asm[op](value, value, spare)
  asm.vpermilps(spare, value, 0x4e)
  asm[op](value, value, spare)
  asm.vpermilps(spare, value, 0xb1)
  asm[op](value, value, spare)
}

/** Which registers hold a selection of lanes: an opmask on AVX-512, a vector of sign bits on AVX2. */
export interface Tail {
  /** Opmask 1..7. */
  readonly opmask: number
  /** Vector register: holds the selection on AVX2, is overwritten by `selectTail` on AVX-512. */
  readonly vector: number
}

/** Selects the first `count` lanes for `loadTail` and `storeTail`: none where it is 0 or negative, all where it is `lanes` or more. */
export function selectTail(asm: Assembler, count: Gpr, { opmask, vector }: Tail): void {
  const lanes = asm.constant(Int32Array.from({ length: asm.lanes }, (_, lane) => lane))
  if (asm.vectorBytes === 64) {
    asm.vpbroadcastdFromGpr(vector, count)
    asm.vpcmpgtd(opmask, vector, lanes)
    return
  }
  // Lane i is selected where i - count is negative.
  asm.neg(count)
  asm.vmovdFromGpr(vector, count)
  asm.neg(count)
  asm.vbroadcastss(vector, vector)
  asm.vpaddd(vector, vector, lanes)
}

/** Loads the selected lanes, zeros elsewhere; touches no memory beyond them. */
export function loadTail(asm: Assembler, to: number, from: Mem, { opmask, vector }: Tail): void {
  if (asm.vectorBytes === 64) asm.vmovupsMasked(to, from, opmask)
  else asm.vmaskmovps(to, vector, from)
}

/** Stores the selected lanes; touches no memory beyond them. */
export function storeTail(asm: Assembler, to: Mem, from: number, { opmask, vector }: Tail): void {
  if (asm.vectorBytes === 64) asm.vstoreupsMasked(to, from, opmask)
  else asm.vmaskstoreps(to, vector, from)
}

/** Terms of 2^f on [-1/2, 1/2], highest first: minimax of the relative error, 1.7e-7 with its rounding, and exact at 0. */
const EXP2_TERMS = [0.00132647273, 0.00967151299, 0.0555073358, 0.240222424, 0.693147004, 1]

/**
 * Writes `value = e^value` for values up to 88; below -87 it is 0 to within f32's smallest normal number. NaN stays NaN.
 *
 * @param spares two registers
 */
export function emitExp(asm: Assembler, value: number, spares: readonly [number, number]): void {
  asm.vmulps(value, value, asm.lanesOf(Math.LOG2E))
  emitExp2(asm, value, spares)
}

/** Writes `value = 2^value` for values below 127.5; otherwise as `emitExp`. */
export function emitExp2(asm: Assembler, value: number, spares: readonly [number, number]): void {
  const [whole, power] = spares
  // vmaxps gives its second operand where one is NaN: the value comes second, so that NaN is kept.
  asm.vbroadcastss(whole, asm.f32(-126))
  asm.vmaxps(value, whole, value)
  asm.vroundps(whole, value)
  asm.vsubps(value, value, whole)
  asm.vbroadcastss(power, asm.f32(EXP2_TERMS[0]!))
  for (const term of EXP2_TERMS.slice(1)) asm.vfmadd213ps(power, value, asm.lanesOf(term))
  // 2^whole by adding to the exponent: whole is -126 .. 127 here.
  asm.vcvtps2dq(whole, whole)
  asm.vpslld(whole, whole, 23)
  asm.vpaddd(value, power, whole)
}

/** Writes `gate = gate · sigmoid(slope · gate)`. @see SiLU, of slope 1: Elfwing et al., arXiv:1702.03118 */
export function emitSilu(asm: Assembler, gate: number, spares: readonly [number, number, number], slope = 1): void {
  const [exponential, first, second] = spares
  asm.vbroadcastss(exponential, asm.f32(-slope))
  asm.vmulps(exponential, exponential, gate)
  // e^-x of -88 and less would be infinite, and 1 / (1 + ∞) = 0 would be right, but the exponent trick ends at 2^127.
  asm.vbroadcastss(first, asm.f32(88))
  asm.vminps(exponential, first, exponential)
  emitExp(asm, exponential, [first, second])
  asm.vbroadcastss(first, asm.f32(1))
  asm.vaddps(exponential, exponential, first)
  asm.vdivps(gate, gate, exponential)
}

/** Writes `gate = clampedSwiglu(gate, up, limit)`; changes `up`. NaN of either stays NaN. */
export function emitClampedSwiglu(
  asm: Assembler,
  gate: number,
  up: number,
  limit: number,
  spares: readonly [number, number, number],
): void {
  const [bound] = spares
  // Minimum and maximum give their second operand where one is NaN: the value comes second.
  asm.vbroadcastss(bound, asm.f32(limit))
  asm.vminps(gate, bound, gate)
  asm.vminps(up, bound, up)
  asm.vbroadcastss(bound, asm.f32(-limit))
  asm.vmaxps(up, bound, up)
  emitSilu(asm, gate, spares, SWIGLU_SLOPE)
  // (u + 1) · g = g · u + g
  asm.vfmadd231ps(gate, gate, up)
}
