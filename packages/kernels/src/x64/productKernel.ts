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
import type { Isa } from "./Isa.ts"
import { addressArgument, emitKernel, loadArgument } from "./kernelAbi.ts"
import { PRODUCT } from "./productArguments.ts"
import { type Epilogue, emitEpilogue } from "./productEpilogue.ts"
import { emitF32Sums, emitInt4Sums, emitInt8Sums, F32_UNROLL, mostInt4Rows, STEP_COLUMNS } from "./productSums.ts"
import { clearSums, createProductTile, emitRowBases, mostTileRows, type ProductTile } from "./ProductTile.ts"
import { emitTileRows, TILE_WORK_BYTES, type TileWeights } from "./tileRows.ts"
import { atIndex, r8, r10, r11, r12, r13, r14, r15, rax, rbp, rbx, rcx, rdx } from "./registers.ts"

export interface ProductKernel {
  readonly isa: Isa
  readonly format: Format
  readonly epilogue: Epilogue
}

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

/** How a pair of groups meets its rows. */
type Way = "direct" | "expanded" | { readonly tiles: TileWeights }

const ANY = 0x7fffffff
/** Fewer rows than these are no work for tiles: their weights come from memory anyhow. */
const LEAST_TILE_ROWS = 5
/** With more rows it is cheaper to keep a pair's expanded weights than to expand them for each 32 rows. */
const MOST_EXPANDED_TWICE = 64

/** The ways by number of rows: the first whose `most` is enough is taken. */
function waysOf(
  { hasTiles }: Isa,
  format: Format,
  numRegisters: number,
): { readonly most: number; readonly way: Way }[] {
  if (format === "f32") return [{ most: ANY, way: "direct" }]
  if (format === "int8") {
    if (!hasTiles) return [{ most: ANY, way: "direct" }]
    return [
      { most: LEAST_TILE_ROWS - 1, way: "direct" },
      { most: ANY, way: { tiles: "int8" } },
    ]
  }
  const few = { most: mostInt4Rows(numRegisters), way: "direct" } as const
  if (!hasTiles) return [few, { most: ANY, way: "expanded" }]
  return [few, { most: MOST_EXPANDED_TWICE, way: { tiles: "int4" } }, { most: ANY, way: { tiles: "expanded" } }]
}

/** r12 = the pair's weights, r13 = pairs left, r15 = bytes of f32 columns done. */
function emitPairs(asm: Assembler, kernel: ProductKernel, way: Way): void {
  loadArgument(asm, r13, PRODUCT.numPairs)
  asm.mov(r15, 0)
  // A word for the tiles' present configuration: none.
  if (typeof way === "object") asm.push(r15)
  asm.times(r13, () => {
    if (typeof way === "object") {
      if (way.tiles === "expanded") emitExpandPair(asm, TILE_WORK_BYTES)
      emitTileRows(asm, kernel, way.tiles)
    } else {
      if (way === "expanded") emitExpandPair(asm, 0)
      for (let half = 0; half < 64 / asm.vectorBytes; half++) emitRows(asm, kernel, way, half)
    }
    loadArgument(asm, r14, PRODUCT.groupBytes)
    asm.lea(r12, atIndex(r12, r14, 2))
    asm.add(r15, kernel.epilogue.isGated ? 64 : 128)
  })
  if (typeof way !== "object") return
  asm.tilerelease()
  asm.pop(r15)
}

/** r8 = the tile's first row of x, rdx = where its output goes, rcx = rows left. */
function emitRows(asm: Assembler, kernel: ProductKernel, weights: "direct" | "expanded", half: number): void {
  const { isa, format } = kernel
  const isDirectInt4 = format === "int4" && weights === "direct"
  addressArgument(asm, r8, PRODUCT.x)
  addressArgument(asm, rdx, PRODUCT.out)
  asm.lea(rdx, atIndex(rdx, r15, 1, half * 32))
  loadArgument(asm, rcx, PRODUCT.numRows)
  emitBySize(asm, rcx, isDirectInt4 ? mostInt4Rows(asm.numRegisters) : mostTileRows(isa), (numRows) =>
    emitTile(createProductTile(asm, isa, numRows, half), kernel, weights),
  )
}

function emitTile(tile: ProductTile, { format, epilogue }: ProductKernel, weights: "direct" | "expanded"): void {
  const { asm, numRows } = tile
  emitRowBases(tile)
  clearSums(tile)
  loadArgument(asm, rax, PRODUCT.numColumns)
  if (weights === "expanded") {
    // The pair's second group lies right behind the first: 16 bytes a column.
    addressArgument(asm, r11, PRODUCT.expanded)
    loadArgument(asm, r14, PRODUCT.numColumns)
    asm.shl(r14, 4)
  } else {
    asm.mov(r11, r12)
    loadArgument(asm, r14, PRODUCT.groupBytes)
  }
  if (format === "f32") emitAllF32Sums(tile)
  else {
    if (format === "int4" && weights === "direct") asm.lea(r10, atIndex(r12, rax, 8))
    asm.shr(rax, Math.log2(STEP_COLUMNS))
    if (format === "int4" && weights === "direct") emitInt4Sums(tile)
    else emitInt8Sums(tile)
  }
  emitEpilogue(tile, format, epilogue)
  // Back to the tile's first column, on to the next rows.
  loadArgument(asm, rax, PRODUCT.numColumns)
  if (format === "f32") asm.shl(rax, 2)
  asm.sub(r8, rax)
  asm.mov(rax, rbp)
  asm.imul(rax, numRows)
  asm.add(r8, rax)
}

function emitAllF32Sums(tile: ProductTile): void {
  const { asm } = tile
  asm.shr(rax, Math.log2(F32_UNROLL))
  emitF32Sums(tile, F32_UNROLL)
  loadArgument(asm, rax, PRODUCT.numColumns)
  asm.and(rax, F32_UNROLL - 1)
  emitF32Sums(tile, 1)
}
