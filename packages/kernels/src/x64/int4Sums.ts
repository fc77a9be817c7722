/**
 * Sums of few rows with 4-bit weights that are never expanded: a block's nibbles meet x as they are, its multiplier and offset meet what comes of that.
 *
 *     Σ x·(q·m + c)  =  Σ_blocks  m·Σx·q + c·Σx
 *
 * Integer sums are exact, so the bits are those of the expanded weights.
 */
import type { Assembler } from "./Assembler.ts"
import {
  BLOCK_LINES,
  BLOCK_PARAMETER_BYTES,
  emitNibbleMask,
  emitParameterLanes,
  LINE_COLUMNS,
  spreadMultipliers,
} from "./expandInt4.ts"
import type { Isa } from "./Isa.ts"
import { addressArgument, loadArgument } from "./kernelAbi.ts"
import { PRODUCT } from "./productArguments.ts"
import { advanceRows, advanceRowsBy, LINE_BYTES, type ProductTile } from "./ProductTile.ts"
import { PREFETCH_BYTES, STEP_COLUMNS } from "./productSums.ts"
import { at, atIndex, r8, r9, r10, r11, r12, r13, r14, rax, rbp, rcx, rsi } from "./registers.ts"

/** Lines of weights that one turn of the loop takes. */
const STEP_LINES = 2 * BLOCK_LINES
/** Lines that a task asks for before it begins. */
const FIRST_LINES = 32
/** Most rows at once, on any processor. */
const MOST_ROWS = 4
/** Sums of x over 64 columns of `MOST_ROWS` rows: a line each, its first half the first block's sum eight times, its second half the second's. */
const X_SUMS_BYTES = MOST_ROWS * LINE_BYTES
const SECOND_BLOCK = LINE_BYTES / 2

/** Most rows of `emitInt4Sums`: with more, what a block costs each row is more than expanding it. AMX's next way is for more rows still. */
export function mostInt4Rows({ hasTiles }: Isa): number {
  return hasTiles ? MOST_ROWS : 2
}

/**
 * Emits: all rows' sums over each block of 32 columns → the record's `expanded`. Once for a task. r12 = its first weights, which are asked for meanwhile.
 * Changes rax, rcx, r8 to r11.
 */
export function emitBlockSums(asm: Assembler): void {
  const [bytes, words, sums, spare] = [0, 1, 2, 3]
  for (let line = 0; line < FIRST_LINES; line++) asm.prefetcht0(at(r12, line * LINE_BYTES))
  addressArgument(asm, r8, PRODUCT.x)
  addressArgument(asm, r11, PRODUCT.expanded)
  loadArgument(asm, rcx, PRODUCT.numRows)
  asm.vmovups(bytes, asm.constant(new Uint8Array(asm.vectorBytes).fill(1)))
  asm.vmovups(words, asm.constant(new Int16Array(asm.vectorBytes / 2).fill(1)))
  asm.times(rcx, () => {
    asm.mov(r9, r8)
    asm.mov(r10, r11)
    loadArgument(asm, rax, PRODUCT.numColumns)
    asm.shr(rax, Math.log2(STEP_COLUMNS))
    asm.times(rax, () => {
      for (let byte = 0; byte < STEP_COLUMNS; byte += asm.vectorBytes) {
        asm.vpmaddubsw(sums, bytes, at(r9, byte))
        asm.vpmaddwd(sums, sums, words)
        addEightLanes(asm, sums, spare)
        // Lower halves of 32 bits: words are what they are multiplied as.
        asm.vpand(sums, sums, asm.constant(new Int32Array(asm.lanes).fill(0xffff)))
        asm.vstoreups(at(r10, byte), sums)
      }
      asm.add(r9, STEP_COLUMNS)
      asm.add(r10, X_SUMS_BYTES)
    })
    asm.add(r8, rbp)
    asm.add(r11, LINE_BYTES)
  })
}

/** Sets each of eight lanes to the sum of the eight: those of 32 columns. */
function addEightLanes(asm: Assembler, value: number, spare: number): void {
  if (asm.vectorBytes === 64) asm.vshuff32x4(spare, value, value, 0xb1)
  else asm.vperm2f128(spare, value, value, 0x01)
  asm.vpaddd(value, value, spare)
  for (const order of [0x4e, 0xb1]) {
    asm.vpermilps(spare, value, order)
    asm.vpaddd(value, value, spare)
  }
}

/**
 * Emits sums of 4-bit weights; rcx = K, r11 = the pair's first line, r14 = the distance to its second group. Changes rax, r10, r13, rsi, and r11 to the
 * pair's end. Moves x by K bytes.
 *
 * One group after the other: a pair is one run of memory, asked for in order, its parameters with it.
 */
export function emitInt4Sums(tile: ProductTile): void {
  const { asm } = tile
  emitNibbleMask(asm, registersOf(tile).nibbles)
  addressArgument(asm, rax, PRODUCT.expanded)
  asm.mov(rsi, rax)
  for (const vector of [0, 1] as const) {
    const { second } = registersOf(tile)
    if (tile.numRows === 1) asm.vpxor(second, second, second)
    asm.lea(r10, atIndex(r11, rcx, 8))
    asm.mov(rax, rcx)
    asm.shr(rax, Math.log2(STEP_COLUMNS))
    asm.times(rax, () => {
      emitStep(tile, vector)
      asm.add(r11, STEP_LINES * LINE_BYTES)
      asm.add(r10, BLOCK_PARAMETER_BYTES)
      asm.add(rsi, X_SUMS_BYTES)
      asm.add(r13, STEP_LINES * LINE_BYTES + BLOCK_PARAMETER_BYTES)
      advanceRows(tile, STEP_COLUMNS)
    })
    if (tile.numRows === 1) asm.vpaddd(tile.sum(0, vector), tile.sum(0, vector), second)
    if (vector === 0) emitSecondGroup(tile)
  }
}

/** From the end of the first group's lines to the second group, which begins where the first one's parameters end. */
function emitSecondGroup(tile: ProductTile): void {
  const { asm } = tile
  asm.add(r11, r14)
  asm.mov(rax, rcx)
  asm.shl(rax, 3)
  asm.sub(r11, rax)
  asm.shr(rax, 1)
  asm.sub(rsi, rax)
  asm.neg(rcx)
  advanceRowsBy(tile, rcx)
  asm.neg(rcx)
}

/** Registers beside a tile's sums. A single row has a second sum, which hides the latency of a product. */
function registersOf({ numRows, other }: ProductTile) {
  return {
    low: other(0),
    high: other(1),
    x: other(2),
    nibbles: other(3),
    multiplier: other(4),
    offset: other(5),
    /** A block's sums of x · q: of low and of high nibbles, or both together and a product. */
    block: (row: number, part: 0 | 1): number => other(6 + 2 * row + part),
    second: other(6 + 2 * numRows),
  }
}

/** Both blocks of 64 columns. */
function emitStep(tile: ProductTile, vector: 0 | 1): void {
  const { asm, isa, half } = tile
  const emitBlock = isa.hasVnni ? emitVnniBlock : emitAvx2Block
  // The next group's parameters; this one's come with its lines.
  if (half === 0) {
    asm.prefetcht0(atIndex(r10, r14))
    asm.prefetcht1(at(r13, STEP_LINES * LINE_BYTES))
  }
  for (const block of [0, 1] as const) emitBlock(tile, vector, block)
}

/**
 * Asks for memory beside line `line` of a step: what is used soon, into the nearest cache, and the same lines of the next pair, which r13 walks, into the
 * second. Line by line: at once they would fill the core's line buffers. A second half of the same lines asks for the rest of the next pair.
 */
function emitPrefetch({ asm, half }: ProductTile, line: number): void {
  if (half === 0) asm.prefetcht0(at(r11, line * LINE_BYTES + PREFETCH_BYTES))
  const numParts = 64 / asm.vectorBytes
  if (line % numParts === half) asm.prefetcht1(at(r13, line * LINE_BYTES))
}

/** Leaves a line's low and high nibbles. */
function emitNibbles(tile: ProductTile, line: number): void {
  const { asm, half } = tile
  const { low, high, nibbles } = registersOf(tile)
  emitPrefetch(tile, line)
  asm.vmovups(low, at(r11, line * LINE_BYTES + half * 32))
  asm.vpsrld(high, low, 4)
  asm.vpand(low, low, nibbles)
  asm.vpand(high, high, nibbles)
}

/** A block's sums of low and of high nibbles fit 16 bits each (16 · 15 · 128), as the multipliers and offsets that they are words with do. */
function emitVnniBlock(tile: ProductTile, vector: 0 | 1, block: 0 | 1): void {
  const { asm, half, numRows, sum, x: xAt } = tile
  const { low, high, x, multiplier, offset, block: blockSum, second } = registersOf(tile)
  for (let row = 0; row < numRows; row++) {
    for (const part of [0, 1] as const) asm.vpxor(blockSum(row, part), blockSum(row, part), blockSum(row, part))
  }
  for (let line = block * BLOCK_LINES; line < (block + 1) * BLOCK_LINES; line++) {
    emitNibbles(tile, line)
    for (let row = 0; row < numRows; row++) {
      asm.vbroadcastss(x, xAt(row, line * LINE_COLUMNS))
      asm.vpdpbusd(blockSum(row, 0), low, x)
      asm.vbroadcastss(x, xAt(row, line * LINE_COLUMNS + 4))
      asm.vpdpbusd(blockSum(row, 1), high, x)
    }
  }
  emitParameterLanes(asm, { multiplier, offset }, { parameters: r10, group: undefined, block, half })
  for (let row = 0; row < numRows; row++) {
    asm.vpdpwssd(sum(row, vector), blockSum(row, 0), multiplier)
    asm.vpdpwssd(numRows === 1 ? second : sum(row, vector), blockSum(row, 1), multiplier)
    asm.vbroadcastss(x, at(rsi, row * LINE_BYTES + block * SECOND_BLOCK))
    asm.vpdpwssd(sum(row, vector), offset, x)
  }
}

/** Without VNNI a block's sums of both nibbles are kept in words, where they fit too: two of each 32 bits, 8 · 2 · 15 · 128 at most. */
function emitAvx2Block(tile: ProductTile, vector: 0 | 1, block: 0 | 1): void {
  const { asm, half, numRows, sum, x: xAt } = tile
  const { low, high, x, multiplier, offset, block: blockSum } = registersOf(tile)
  const product = (row: number): number => blockSum(row, 1)
  for (let line = 0; line < BLOCK_LINES; line++) {
    const at4 = block * BLOCK_LINES + line
    emitNibbles(tile, at4)
    for (let row = 0; row < numRows; row++) {
      for (const [part, nibbles] of [low, high].entries()) {
        const isFirst = line === 0 && part === 0
        asm.vbroadcastss(x, xAt(row, at4 * LINE_COLUMNS + part * 4))
        asm.vpmaddubsw(isFirst ? blockSum(row, 0) : product(row), nibbles, x)
        if (!isFirst) asm.vpaddw(blockSum(row, 0), blockSum(row, 0), product(row))
      }
    }
  }
  emitParameterLanes(asm, { multiplier, offset }, { parameters: r10, group: undefined, block, half })
  spreadMultipliers(asm, multiplier)
  // Sums are of q · m + c - 128 here: see `emitWeights`.
  asm.vpsubd(offset, offset, asm.constant(new Int32Array(asm.lanes).fill(128)))
  for (let row = 0; row < numRows; row++) {
    asm.vpmaddwd(product(row), blockSum(row, 0), multiplier)
    asm.vpaddd(sum(row, vector), sum(row, vector), product(row))
    asm.vbroadcastss(x, at(rsi, row * LINE_BYTES + block * SECOND_BLOCK))
    asm.vpmaddwd(x, x, offset)
    asm.vpaddd(sum(row, vector), sum(row, vector), x)
  }
}
