/**
 * Causal attention of a tile of queries: some positions of a slot times the heads that share a key head.
 *
 *     for each block of 64 keys:  turn keys → scores → softmax (running maximum) → weighted sums
 *
 * Decode is a tile of one position, a chunk of prefill several tiles of many: the code is the same, and a query's arithmetic is the same in all of them,
 * block by block, in the order of keys. What a query does not see takes no part in it.
 */
import { Assembler, type VectorBytes } from "./Assembler.ts"
import { ATTEND } from "./attendArguments.ts"
import { emitOpenAhead } from "./attendAhead.ts"
import { emitClearLastKeys, emitTransposeKeys } from "./attendKeys.ts"
import { emitWidenBlock } from "./attendPairs.ts"
import { emitBlockSums, emitRangeSums, emitScores } from "./attendProducts.ts"
import { emitCloseQueries, emitOpenQueries } from "./attendQueries.ts"
import { emitSoftmax } from "./attendSoftmax.ts"
import { type AttendTile, BLOCK_KEYS, planAttendTile } from "./attendTile.ts"
import { emitKernel, loadArgument } from "./kernelAbi.ts"
import {
  at,
  atIndex,
  type Gpr,
  r8,
  r9,
  r10,
  r11,
  r12,
  r13,
  r14,
  r15,
  rax,
  rbp,
  rbx,
  rcx,
  rdx,
  rsi,
} from "./registers.ts"

/** Queries from which on a block of values is widened once rather than as each few of them use it. */
const WIDEN_QUERIES = 16

/** Emits the kernel for heads of `headDim` values, of a cache in f32 or in pairs; its arguments are `ATTEND`, its scratch memory is `planAttendTile`'s. */
export function emitAttend(headDim: number, vectorBytes: VectorBytes, isPaired: boolean): Uint8Array {
  const asm = new Assembler(vectorBytes)
  const tile = planAttendTile(headDim, vectorBytes, isPaired)
  emitKernel(asm, () => {
    const top = asm.label()
    emitClearLastKeys(asm, tile)
    emitOpenQueries(asm, tile)
    // rbx: the block's first position. The first block is that of the first key that the first query sees.
    loadArgument(asm, rbx, ATTEND.position)
    loadArgument(asm, rax, ATTEND.window)
    asm.sub(rbx, rax)
    asm.add(rbx, 1)
    asm.mov(rax, 0)
    emitAtLeast(asm, rbx, rax)
    asm.and(rbx, -BLOCK_KEYS)
    asm.bind(top)
    emitBlock(asm, tile)
    asm.add(rbx, BLOCK_KEYS)
    emitEndPosition(asm, rax)
    asm.cmp(rbx, rax)
    asm.jumpIf("less", top)
    emitCloseQueries(asm, tile)
  })
  return asm.finish()
}

/** r12 .. r13: the queries that see keys of the block; r14 .. r15: those of them that see all. */
function emitBlock(asm: Assembler, tile: AttendTile): void {
  emitAskFor(asm, tile, ATTEND.values, 0)
  loadArgument(asm, r8, ATTEND.keys)
  emitMoveTo(asm, tile, r8, rbx)
  emitEndPosition(asm, r10)
  asm.sub(r10, rbx)
  emitTransposeKeys(asm, tile, r10)

  emitQueryRanges(asm, tile)
  asm.mov(rdx, r12)
  emitScores(asm, tile, rdx, r13)
  eachPartial(asm, tile, () => emitSoftmax(asm, tile, rdx, { first: rcx, end: r9 }))
  asm.mov(rdx, r14)
  eachQuery(asm, tile, rdx, r15, () => emitSoftmax(asm, tile, rdx))

  emitAskFor(asm, tile, ATTEND.keys, BLOCK_KEYS)
  loadArgument(asm, rbp, ATTEND.values)
  emitMoveTo(asm, tile, rbp, rbx)
  eachPartial(asm, tile, () => emitRangeSums(asm, tile, rdx, rcx, r9))
  asm.mov(rdx, r14)
  if (tile.isPaired) emitPairedBlockSums(asm, tile)
  else emitBlockSums(asm, tile, rdx, r15, false)
}

/** Values in pairs are widened as they are used; where more queries use them than that is worth, once for all. */
function emitPairedBlockSums(asm: Assembler, tile: AttendTile): void {
  const [isFew, end] = [asm.label(), asm.label()]
  asm.lea(rax, at(rdx, WIDEN_QUERIES * tile.queryBytes))
  asm.cmp(rax, r15)
  asm.jumpIf("above", isFew)
  emitWidenBlock(asm, tile)
  emitBlockSums(asm, tile, rdx, r15, false)
  asm.jump(end)
  asm.bind(isFew)
  emitBlockSums(asm, tile, rdx, r15, true)
  asm.bind(end)
}

/** Asks for the rows of a cache that the tile needs of the block `distance` behind this one. */
function emitAskFor(asm: Assembler, tile: AttendTile, cache: number, distance: number): void {
  loadArgument(asm, r8, cache)
  asm.mov(r9, r8)
  asm.lea(r10, at(rbx, distance))
  emitMoveTo(asm, tile, r8, r10)
  asm.add(r10, BLOCK_KEYS)
  emitEndPosition(asm, r11)
  emitAtMost(asm, r10, r11)
  emitMoveTo(asm, tile, r9, r10)
  emitOpenAhead(asm, tile, r8, r9)
}

/** Moves `address`, of position 0 of a cache, to `position`. */
function emitMoveTo(asm: Assembler, { rowBytes }: AttendTile, address: Gpr, position: Gpr): void {
  asm.mov(rax, position)
  asm.imul(rax, rowBytes)
  asm.add(address, rax)
}

/** The position behind the tile's last. */
function emitEndPosition(asm: Assembler, to: Gpr): void {
  loadArgument(asm, to, ATTEND.position)
  loadArgument(asm, rcx, ATTEND.numPositions)
  asm.add(to, rcx)
}

/** Sets r12 .. r15 as `emitBlock` wants them. Queries are in order of position, so each range is one run. */
function emitQueryRanges(asm: Assembler, { queryBytes, queries }: AttendTile): void {
  loadArgument(asm, r8, ATTEND.position)
  emitEndPosition(asm, r9)
  loadArgument(asm, r10, ATTEND.window)
  loadArgument(asm, r11, ATTEND.numHeads)
  asm.imul(r11, queryBytes)
  // A position sees keys of the block from its first one on, and until the window has left its last one behind.
  asm.mov(r12, rbx)
  emitAtLeast(asm, r12, r8)
  asm.lea(r13, atIndex(rbx, r10, 1, BLOCK_KEYS - 1))
  emitAtMost(asm, r13, r9)
  // It sees all from the last one on, and until the window leaves the first one behind.
  asm.lea(r14, at(rbx, BLOCK_KEYS - 1))
  emitAtLeast(asm, r14, r8)
  emitAtMost(asm, r14, r13)
  asm.lea(r15, atIndex(rbx, r10))
  emitAtMost(asm, r15, r9)
  emitAtLeast(asm, r15, r14)
  for (const limit of [r12, r13, r14, r15]) {
    asm.sub(limit, r8)
    asm.imul(limit, r11)
    asm.lea(limit, atIndex(rsi, limit, 1, queries))
  }
}

/** Runs `body` for each query that sees a part of the block: rdx = the query, rcx .. r9 = the block's keys that it sees. */
function eachPartial(asm: Assembler, tile: AttendTile, body: () => void): void {
  const isPartial = asm.label()
  asm.mov(rdx, r12)
  const [top, end] = [asm.label(), asm.label()]
  asm.bind(top)
  asm.cmp(rdx, r14)
  asm.jumpIf("notEqual", isPartial)
  asm.mov(rdx, r15)
  asm.bind(isPartial)
  asm.cmp(rdx, r13)
  asm.jumpIf("aboveOrEqual", end)
  asm.load(r9, at(rdx, tile.position))
  asm.add(r9, 1)
  asm.sub(r9, rbx)
  loadArgument(asm, rcx, ATTEND.window)
  asm.neg(rcx)
  asm.add(rcx, r9)
  asm.mov(rax, 0)
  emitAtLeast(asm, rcx, rax)
  asm.mov(rax, BLOCK_KEYS)
  emitAtMost(asm, r9, rax)
  body()
  asm.add(rdx, tile.queryBytes)
  asm.jump(top)
  asm.bind(end)
}

function eachQuery(asm: Assembler, { queryBytes }: AttendTile, cursor: Gpr, limit: Gpr, body: () => void): void {
  const [top, end] = [asm.label(), asm.label()]
  asm.bind(top)
  asm.cmp(cursor, limit)
  asm.jumpIf("aboveOrEqual", end)
  body()
  asm.add(cursor, queryBytes)
  asm.jump(top)
  asm.bind(end)
}

function emitAtLeast(asm: Assembler, value: Gpr, least: Gpr): void {
  emitLimit(asm, value, least, "greaterOrEqual")
}

function emitAtMost(asm: Assembler, value: Gpr, most: Gpr): void {
  emitLimit(asm, value, most, "lessOrEqual")
}

/** Sets `value` to `limit` unless it keeps `condition`. */
function emitLimit(asm: Assembler, value: Gpr, limit: Gpr, condition: "greaterOrEqual" | "lessOrEqual"): void {
  const isKept = asm.label()
  asm.cmp(value, limit)
  asm.jumpIf(condition, isKept)
  asm.mov(value, limit)
  asm.bind(isKept)
}
