import type { Assembler } from "./Assembler.ts"
import { type AttendTile, BLOCK_KEYS } from "./attendTile.ts"
import { at, type Gpr, rax, rcx } from "./registers.ts"
import { emitExp2, reduceLanes } from "./vectorMath.ts"

/** Vector registers of this code, all of them. */
const [OLD, MAXIMUM, VALUE, TOTAL, ALPHA, FIRST, LAST, HIDDEN, KEY, SPARE, SPARE2] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
] as const

/** Which keys of the block a query sees: `first` up to `end`, in registers. */
export interface VisibleKeys {
  readonly first: Gpr
  readonly end: Gpr
}

/**
 * Emits the softmax of one block of the query at `query`: scores become exponentials relative to the largest score so far, and what was summed before is
 * scaled to it. Scores are in units of log 2. Changes rax and rcx.
 *
 * Keys that the query does not see get 2^-126, whatever their scores are: nothing, beside the 1 or more that all sum to, and their values are not summed.
 * The arithmetic is the same where `visible` is not given, which says that the query sees all.
 *
 * @see Milakov & Gimelshein, Online normalizer calculation for softmax, arXiv:1805.02867; blocks: Dao et al., FlashAttention, arXiv:2205.14135
 */
export function emitSoftmax(asm: Assembler, tile: AttendTile, query: Gpr, visible?: VisibleKeys): void {
  const { scores, maximum, total } = tile
  const vectors = Array.from({ length: BLOCK_KEYS / asm.lanes }, (_, vector) => ({
    place: at(query, scores + vector * asm.vectorBytes),
    firstKey: vector * asm.lanes,
  }))
  if (visible !== undefined) emitLimits(asm, visible)
  asm.vbroadcastss(OLD, at(query, maximum))
  asm.vmovups(MAXIMUM, OLD)
  for (const { place, firstKey } of vectors) {
    asm.vmovups(VALUE, place)
    if (visible !== undefined) {
      emitHidden(asm, firstKey)
      // All ones, but for the mantissa: -∞.
      asm.vpor(VALUE, VALUE, HIDDEN)
      asm.vbroadcastss(KEY, asm.i32(0x007fffff))
      asm.vpand(KEY, KEY, HIDDEN)
      asm.vpxor(VALUE, VALUE, KEY)
      asm.vstoreups(place, VALUE)
    }
    asm.vmaxps(MAXIMUM, MAXIMUM, VALUE)
  }
  reduceLanes(asm, "vmaxps", MAXIMUM, SPARE)
  asm.vstoress(at(query, maximum), MAXIMUM)
  asm.vpxor(TOTAL, TOTAL, TOTAL)
  for (const { place } of vectors) {
    asm.vmovups(VALUE, place)
    asm.vsubps(VALUE, VALUE, MAXIMUM)
    emitExp2(asm, VALUE, [SPARE, SPARE2])
    asm.vstoreups(place, VALUE)
    asm.vaddps(TOTAL, TOTAL, VALUE)
  }
  reduceLanes(asm, "vaddps", TOTAL, SPARE)
  asm.vsubps(ALPHA, OLD, MAXIMUM)
  emitExp2(asm, ALPHA, [SPARE, SPARE2])
  asm.vbroadcastss(VALUE, at(query, total))
  asm.vfmadd213ps(VALUE, ALPHA, TOTAL)
  asm.vstoress(at(query, total), VALUE)
  emitRescale(asm, tile, query)
}

/** Scales the query's sums, unless the largest score stays: that would multiply by exactly 1. */
function emitRescale(asm: Assembler, { headDim, sums }: AttendTile, query: Gpr): void {
  const end = asm.label()
  asm.vmovdToGpr(rax, OLD)
  asm.vmovdToGpr(rcx, MAXIMUM)
  asm.cmp(rax, rcx)
  asm.jumpIf("equal", end)
  for (let dim = 0; dim < headDim; dim += asm.lanes) {
    asm.vmulps(VALUE, ALPHA, at(query, sums + dim * 4))
    asm.vstoreups(at(query, sums + dim * 4), VALUE)
  }
  asm.bind(end)
}

function emitLimits(asm: Assembler, { first, end }: VisibleKeys): void {
  asm.vmovdFromGpr(FIRST, first)
  asm.vbroadcastss(FIRST, FIRST)
  asm.lea(rax, at(end, -1))
  asm.vmovdFromGpr(LAST, rax)
  asm.vbroadcastss(LAST, LAST)
}

/** Sets lane i of HIDDEN to all ones where key `firstKey + i` is before FIRST or behind LAST, to zero elsewhere. Changes KEY. */
function emitHidden(asm: Assembler, firstKey: number): void {
  asm.vmovups(KEY, asm.constant(Int32Array.from({ length: asm.lanes }, (_, lane) => firstKey + lane)))
  asm.vpsubd(HIDDEN, KEY, FIRST)
  asm.vpsubd(KEY, LAST, KEY)
  asm.vpor(HIDDEN, HIDDEN, KEY)
  asm.vpsrad(HIDDEN, HIDDEN, 31)
}
