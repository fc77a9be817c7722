/**
 * The product of packed weights and rows, with what comes right behind it: scales, bias, activation, gate.
 *
 *     for each pair of groups (32 output columns):  [expand 4-bit weights]  for each tile of rows:  sums → epilogue → out
 *
 * Integer sums are exact and f32 sums have one order, so a row's bits do not depend on the tile it is computed in.
 */
import type { Format } from "../SlabLayout.ts"
import type { Assembler } from "./Assembler.ts"
import { emitBySize } from "./emitBySize.ts"
import { emitExpandPair } from "./expandPair.ts"
import { emitInt4InlineSums } from "./int4InlineSums.ts"
import { emitBlockSums, emitInt4Sums, mostInt4Rows } from "./int4Sums.ts"
import type { Isa } from "./Isa.ts"
import { addressArgument, emitKernel, loadArgument } from "./kernelAbi.ts"
import { PRODUCT } from "./productArguments.ts"
import { emitEpilogue, type ProductKernel } from "./productEpilogue.ts"
import { emitF32Sums, emitInt8Sums, F32_UNROLL, type Prefetch, STEP_COLUMNS } from "./productSums.ts"
import { clearSums, createProductTile, emitRowBases, mostTileRows, type ProductTile } from "./ProductTile.ts"
import { emitTileRows, TILE_WORK_BYTES, type TileWeights } from "./tileRows.ts"
import { atIndex, r8, r11, r12, r13, r14, r15, rax, rbp, rbx, rcx, rdx, rsi } from "./registers.ts"

/** Emits a product kernel with `asm`, which writes for the vectors of `isa`; its arguments are `PRODUCT`. */
export function emitProduct(kernel: ProductKernel, asm: Assembler): Uint8Array {
  const { isa, format } = kernel
  emitKernel(asm, () => {
    addressArgument(asm, r12, PRODUCT.weights)
    loadArgument(asm, rbp, PRODUCT.xStride)
    loadArgument(asm, rbx, PRODUCT.outStride)
    loadArgument(asm, rcx, PRODUCT.numRows)
    const ways = waysOf(isa, format, asm.numRegisters)
    const end = asm.label()
    for (const { most, way } of ways) {
      const next = asm.label()
      asm.cmp(rcx, most)
      asm.jumpIf("above", next)
      emitPairs(asm, kernel, way)
      asm.jump(end)
      asm.bind(next)
    }
    asm.bind(end)
  })
  return asm.finish()
}

/** How a pair of groups meets its rows: tile by tile in vector registers, with weights as they are, expanded as they are used or before, or in AMX tiles. */
type Way =
  | { readonly kind: "vectors"; readonly weights: "direct" | "inline" | "expanded"; readonly prefetch: Prefetch }
  | { readonly kind: "tiles"; readonly weights: TileWeights }

const ANY = 0x7fffffff
const SAME_PAIR = { from: "same pair" } as const
/** Fewer rows than these are no work for AMX: their weights come from memory anyhow. */
const LEAST_TILE_ROWS = 5
/** With more rows it is cheaper to keep a pair's expanded weights than to expand them for each 32 rows. */
const MOST_EXPANDED_TWICE = 64

/** With more rows than two tiles it is cheaper to expand a pair to memory once. */
const MOST_INLINE_ROWS = 16

/** The ways by number of rows: the first whose `most` is enough is taken. */
function waysOf(isa: Isa, format: Format, numRegisters: number): { readonly most: number; readonly way: Way }[] {
  const vectors = (weights: VectorWay["weights"], prefetch: Prefetch): Way => ({ kind: "vectors", weights, prefetch })
  const ahead = (linesPerTurn: number) => ({ from: "next pair", linesPerTurn }) as const
  const direct = vectors("direct", SAME_PAIR)
  if (format === "f32") return [{ most: ANY, way: direct }]
  if (isa.hasTiles) {
    const tiles = (weights: TileWeights): Way => ({ kind: "tiles", weights })
    if (format === "int8")
      return [
        { most: LEAST_TILE_ROWS - 1, way: direct },
        { most: ANY, way: tiles("int8") },
      ]
    return [
      { most: mostInt4Rows(isa), way: direct },
      { most: MOST_EXPANDED_TWICE, way: tiles("int4") },
      { most: ANY, way: tiles("expanded") },
    ]
  }
  // A pair of 8 bits has 32 lines for each turn of a tile's loop: as many are asked for with as many tiles, or more.
  if (format === "int8") {
    return [
      { most: 8, way: direct },
      { most: 24, way: vectors("direct", ahead(16)) },
      { most: ANY, way: vectors("direct", ahead(8)) },
    ]
  }
  const few =
    numRegisters === 32
      ? { most: MOST_INLINE_ROWS, way: vectors("inline", SAME_PAIR) }
      : { most: 8, way: vectors("expanded", ahead(16)) }
  return [
    { most: mostInt4Rows(isa), way: direct },
    few,
    { most: 24, way: vectors("expanded", ahead(8)) },
    { most: ANY, way: vectors("expanded", ahead(4)) },
  ]
}

/** r12 = the pair's weights, r13 = pairs left, r15 = bytes of f32 columns done. */
function emitPairs(asm: Assembler, kernel: ProductKernel, way: Way): void {
  if (isDirectInt4(kernel, way)) emitBlockSums(asm)
  loadArgument(asm, r13, PRODUCT.numPairs)
  asm.mov(r15, 0)
  // A word for the tiles' present configuration: none.
  if (way.kind === "tiles") asm.push(r15)
  asm.times(r13, () => {
    if (way.weights === "expanded") emitExpandPair(asm, way.kind === "tiles" ? TILE_WORK_BYTES : 0)
    if (way.kind === "tiles") emitTileRows(asm, kernel, way.weights)
    else {
      for (let half = 0; half < 64 / asm.vectorBytes; half++) {
        asm.push(r13)
        emitNextPair(asm)
        emitRows(asm, kernel, way, half)
        asm.pop(r13)
      }
    }
    loadArgument(asm, r14, PRODUCT.groupBytes)
    asm.lea(r12, atIndex(r12, r14, 2))
    asm.add(r15, kernel.epilogue.hasGateProj ? 64 : 128)
  })
  if (way.kind !== "tiles") return
  asm.tilerelease()
  asm.pop(r15)
}

type VectorWay = Extract<Way, { readonly kind: "vectors" }>

/** Whether 4-bit weights are used as they are, never expanded. */
function isDirectInt4({ format }: ProductKernel, { kind, weights }: Way): boolean {
  return format === "int4" && kind === "vectors" && weights === "direct"
}

/** Leaves the next pair's weights in r13, which holds how many are left: for the last one itself, as what lies behind is another host's. */
function emitNextPair(asm: Assembler): void {
  const end = asm.label()
  loadArgument(asm, r14, PRODUCT.groupBytes)
  asm.cmp(r13, 1)
  asm.mov(r13, r12)
  asm.jumpIf("equal", end)
  asm.lea(r13, atIndex(r12, r14, 2))
  asm.bind(end)
}

/** r8 = the tile's first row of x, rdx = where its output goes, rcx = rows left, r13 = what memory is asked for next. */
function emitRows(asm: Assembler, kernel: ProductKernel, way: VectorWay, half: number): void {
  const { isa } = kernel
  addressArgument(asm, r8, PRODUCT.x)
  addressArgument(asm, rdx, PRODUCT.out)
  asm.lea(rdx, atIndex(rdx, r15, 1, half * 32))
  loadArgument(asm, rcx, PRODUCT.numRows)
  emitBySize(asm, rcx, isDirectInt4(kernel, way) ? mostInt4Rows(isa) : mostTileRows(isa), (numRows) =>
    emitTile(createProductTile(asm, isa, numRows, half), kernel, way),
  )
}

function emitTile(tile: ProductTile, { format, epilogue }: ProductKernel, way: VectorWay): void {
  const { asm, numRows } = tile
  emitRowBases(tile)
  clearSums(tile)
  placeWeights(asm, way)
  emitSums(tile, format, way)
  emitEpilogue(tile, format, epilogue)
  // Back to the tile's first column, on to the next rows.
  loadArgument(asm, rax, PRODUCT.numColumns)
  if (format === "f32") asm.shl(rax, 2)
  asm.sub(r8, rax)
  asm.mov(rax, rbp)
  asm.imul(rax, numRows)
  asm.add(r8, rax)
}

/** Leaves the pair's first line in r11, and the distance to its second group in r14. */
function placeWeights(asm: Assembler, { weights }: VectorWay): void {
  if (weights !== "expanded") {
    asm.mov(r11, r12)
    return loadArgument(asm, r14, PRODUCT.groupBytes)
  }
  // Expanded, the second group lies right behind the first: 16 bytes a column.
  addressArgument(asm, r11, PRODUCT.expanded)
  loadArgument(asm, r14, PRODUCT.numColumns)
  asm.shl(r14, 4)
}

function emitSums(tile: ProductTile, format: Format, { weights, prefetch }: VectorWay): void {
  const { asm } = tile
  if (format === "f32") emitAllF32Sums(tile)
  else if (format === "int4" && weights === "direct") {
    asm.push(rcx, rsi)
    loadArgument(asm, rcx, PRODUCT.numColumns)
    emitInt4Sums(tile)
    asm.pop(rcx, rsi)
  } else if (weights === "inline") {
    asm.push(rsi)
    loadArgument(asm, rax, PRODUCT.numColumns)
    asm.lea(rsi, atIndex(r11, rax, 8))
    asm.shr(rax, Math.log2(STEP_COLUMNS))
    emitInt4InlineSums(tile)
    asm.pop(rsi)
  } else {
    loadArgument(asm, rax, PRODUCT.numColumns)
    asm.shr(rax, Math.log2(STEP_COLUMNS))
    emitInt8Sums(tile, prefetch)
  }
}

function emitAllF32Sums(tile: ProductTile): void {
  const { asm } = tile
  loadArgument(asm, rax, PRODUCT.numColumns)
  asm.shr(rax, Math.log2(F32_UNROLL))
  emitF32Sums(tile, F32_UNROLL)
  loadArgument(asm, rax, PRODUCT.numColumns)
  asm.and(rax, F32_UNROLL - 1)
  emitF32Sums(tile, 1)
}
