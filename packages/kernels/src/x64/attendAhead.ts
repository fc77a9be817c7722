/**
 * Memory asked for before it is used: values of a block while its scores come about, keys of the next one while values are summed.
 *
 * In decode a block is used by few queries, and waiting for its memory would cost more than computing with it. Requests are spread over the work, since
 * a core has only so many under way. They go to the second cache: the first is full of the block at hand.
 */
import type { Assembler } from "./Assembler.ts"
import type { AttendTile } from "./attendTile.ts"
import { at, type Gpr, rsi } from "./registers.ts"

const LINE_BYTES = 64
/** Queries whose work a block's requests are spread over: the heads of a key head, in most models. With more they are all made by the first ones. */
const NUM_QUERIES = 8

/** Which part of a block is asked for beside which work: its values while its keys are turned and scored, the next keys while values are summed. */
export const AHEAD_SHARE = { turning: 0.5, scores: 0.5, sums: 1 } as const

/**
 * Begins to ask for `[n, headDim]` rows at `first` up to `end` (addresses): `emitAhead` asks for the next ones, until there are no more.
 */
export function emitOpenAhead(asm: Assembler, { ahead, aheadEnd }: AttendTile, first: Gpr, end: Gpr): void {
  asm.store(at(rsi, ahead), first)
  asm.store(at(rsi, aheadEnd), end)
}

/** Loads how far memory was asked for into `cursor`, which `emitAhead` then moves. */
export function emitLoadAhead(asm: Assembler, { ahead }: AttendTile, cursor: Gpr): void {
  asm.load(cursor, at(rsi, ahead))
}

/** Stores `cursor` for whoever goes on. */
export function emitKeepAhead(asm: Assembler, { ahead }: AttendTile, cursor: Gpr): void {
  asm.store(at(rsi, ahead), cursor)
}

/** Asks for the next `numLines` lines, if there are more. */
export function emitAhead(asm: Assembler, { aheadEnd }: AttendTile, cursor: Gpr, numLines: number): void {
  const end = asm.label()
  asm.cmp(cursor, at(rsi, aheadEnd))
  asm.jumpIf("aboveOrEqual", end)
  for (let line = 0; line < numLines; line++) asm.prefetcht1(at(cursor, line * LINE_BYTES))
  asm.add(cursor, numLines * LINE_BYTES)
  asm.bind(end)
}

/** Lines to ask for beside `numSteps` steps of products of some queries and vectors, so that a whole block's steps ask for `share` of a block. */
export function linesBeside(
  asm: Assembler,
  { isPaired }: AttendTile,
  { numQueries, numVectors }: { readonly numQueries: number; readonly numVectors: number },
  numSteps: number,
  share: number,
): number {
  // A block is BLOCK_KEYS · headDim products for each query, and as many values in memory.
  const products = numQueries * numVectors * asm.lanes * numSteps
  return Math.max(1, Math.round((products * share * (isPaired ? 2 : 4)) / NUM_QUERIES / LINE_BYTES))
}

/** Lines to ask for beside the turn of a square of `lanes` keys and 32-bit words, so that a block's squares ask for `share` of a block. */
export function linesBesideSquare({ lanes }: Assembler, share: number): number {
  return (lanes * lanes * share * 4) / LINE_BYTES
}
