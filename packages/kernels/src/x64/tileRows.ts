/** All rows of a product on AMX, for one pair of groups: 32 rows a pass, sums through memory, then the same epilogue as everywhere. */
import type { Assembler } from "./Assembler.ts"
import { emitBySize } from "./emitBySize.ts"
import { addressArgument, loadArgument } from "./kernelAbi.ts"
import { PRODUCT } from "./productArguments.ts"
import { emitEpilogue, type ProductKernel } from "./productEpilogue.ts"
import { STEP_COLUMNS } from "./productSums.ts"
import { createProductTile, emitRowBases, mostTileRows } from "./ProductTile.ts"
import { at, atIndex, r8, r9, r10, r11, r12, r13, r14, r15, rax, rbp, rcx, rdx, rsi, rsp } from "./registers.ts"
import { emitTileConfig, emitTileInt4Sums, emitTileInt8Sums, emitTileStores, PASS_ROWS, TILE_ROWS } from "./tileSums.ts"

/** In the record's `expanded`: sums `[32][2][16]`, then two buffers of expanded weights, then room for a whole pair. */
const SUM_BYTES = 4096
const BUFFER_BYTES = 4096
export const TILE_WORK_BYTES = SUM_BYTES + BUFFER_BYTES

/** Where a pair's weights come from: as they are, expanded as they are used, or expanded before. */
export type TileWeights = "int8" | "int4" | "expanded"

/** Emits one pair's rows. r12 = the pair's weights, r15 = bytes of columns done; the word at rsp is the number of rows that tiles are configured for. */
export function emitTileRows(asm: Assembler, kernel: ProductKernel, weights: TileWeights): void {
  const [pass, end, isWhole] = [asm.label(), asm.label(), asm.label()]
  addressArgument(asm, r8, PRODUCT.x)
  addressArgument(asm, rdx, PRODUCT.out)
  asm.add(rdx, r15)
  loadArgument(asm, rcx, PRODUCT.numRows)
  asm.bind(pass)
  asm.test(rcx, rcx)
  asm.jumpIf("equal", end)
  asm.mov(r9, PASS_ROWS)
  asm.cmp(rcx, PASS_ROWS)
  asm.jumpIf("aboveOrEqual", isWhole)
  asm.mov(r9, rcx)
  asm.bind(isWhole)
  emitConfigIfChanged(asm)
  asm.sub(rcx, r9)
  asm.push(rcx, rdx, r13, r15, r9)
  emitSums(asm, weights)
  asm.pop(rcx, rdx, r13, r15, r9)
  asm.push(rcx, r13)
  asm.mov(rcx, r9)
  emitEpilogues(asm, kernel)
  asm.pop(rcx, r13)
  // From the tail of the last row back to its first column.
  loadArgument(asm, rax, PRODUCT.numColumns)
  asm.sub(r8, rax)
  asm.jump(pass)
  asm.bind(end)
}

function emitConfigIfChanged(asm: Assembler): void {
  const same = asm.label()
  asm.load(rax, at(rsp))
  asm.cmp(rax, r9)
  asm.jumpIf("equal", same)
  asm.store(at(rsp), r9)
  emitTileConfig(asm, r9)
  asm.bind(same)
}

/** r9 = rows of this pass, r8 = the first of them; leaves r8 at its tail, and the sums in memory. */
function emitSums(asm: Assembler, weights: TileWeights): void {
  const [one, end] = [asm.label(), asm.label()]
  asm.mov(r13, rbp)
  asm.shl(r13, Math.log2(TILE_ROWS))
  asm.add(r13, r8)
  asm.cmp(r9, TILE_ROWS)
  asm.jumpIf("belowOrEqual", one)
  emitRuns(asm, weights, 2)
  asm.jump(end)
  asm.bind(one)
  emitRuns(asm, weights, 1)
  asm.bind(end)
}

function emitRuns(asm: Assembler, weights: TileWeights, runs: 1 | 2): void {
  loadArgument(asm, r15, PRODUCT.numColumns)
  loadArgument(asm, r14, PRODUCT.groupBytes)
  asm.mov(rcx, 64)
  asm.mov(r11, r12)
  asm.push(rsi)
  if (weights === "int4") {
    asm.lea(r10, atIndex(r12, r15, 8))
    asm.shr(r15, Math.log2(STEP_COLUMNS))
    addressArgument(asm, r9, PRODUCT.expanded)
    asm.add(r9, SUM_BYTES)
    asm.lea(rsi, atIndex(r12, r14, 2))
    emitTileInt4Sums(asm, runs)
  } else {
    if (weights === "expanded") {
      addressArgument(asm, r11, PRODUCT.expanded)
      asm.add(r11, TILE_WORK_BYTES)
      asm.lea(rsi, atIndex(r12, r14, 2))
      asm.mov(r14, r15)
      asm.shl(r14, 4)
    }
    asm.lea(r9, atIndex(r11, r14))
    asm.shr(r15, Math.log2(STEP_COLUMNS))
    emitTileInt8Sums(asm, runs, weights === "int8" ? "int8" : "int4")
  }
  asm.pop(rsi)
  addressArgument(asm, r11, PRODUCT.expanded)
  emitTileStores(asm, runs, r11)
}

/** rcx = rows, r8 = the first one's tail, rdx = where its output goes. */
function emitEpilogues(asm: Assembler, { isa, format, epilogue }: ProductKernel): void {
  addressArgument(asm, r13, PRODUCT.expanded)
  emitBySize(asm, rcx, mostTileRows(isa), (numRows) => {
    const tile = createProductTile(asm, isa, numRows, 0)
    emitRowBases(tile)
    for (let row = 0; row < numRows; row++) {
      for (const vector of [0, 1]) asm.vmovups(tile.sum(row, vector), at(r13, row * 128 + vector * 64))
    }
    asm.add(r13, numRows * 128)
    emitEpilogue(tile, format, epilogue)
    asm.mov(rax, rbp)
    asm.imul(rax, numRows)
    asm.add(r8, rax)
  })
}
