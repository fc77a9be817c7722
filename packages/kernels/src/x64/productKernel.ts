/**
 * The product of packed weights and rows, with what comes right behind it: scales, bias, activation, gate.
 *
 *     for each pair of groups (32 output columns):  [expand 4-bit weights]  for each tile of rows:  sums → epilogue → out
 *
 * Integer sums are exact and f32 sums have one order, so a row's bits do not depend on the tile it is computed in.
 */
import type { Format } from "../SlabLayout.ts"
import { Assembler } from "./Assembler.ts"
import { emitExpandPair } from "./expandPair.ts"
import type { Isa } from "./Isa.ts"
import { addressArgument, emitKernel, loadArgument } from "./kernelAbi.ts"
import { PRODUCT } from "./productArguments.ts"
import { type Epilogue, emitEpilogue } from "./productEpilogue.ts"
import { emitF32Sums, emitInt4Sums, emitInt8Sums, F32_UNROLL, mostInt4Rows, STEP_COLUMNS } from "./productSums.ts"
import { clearSums, createProductTile, emitRowBases, mostTileRows, type ProductTile } from "./ProductTile.ts"
import { atIndex, r8, r10, r11, r12, r13, r14, r15, rax, rbp, rbx, rcx, rdx } from "./registers.ts"

export interface ProductKernel {
  readonly isa: Isa
  readonly format: Format
  readonly epilogue: Epilogue
}

/** Emits a product kernel; its arguments are `PRODUCT`. */
export function emitProduct({ isa, format, epilogue }: ProductKernel): Uint8Array {
  const asm = new Assembler(isa.vectorBytes)
  emitKernel(asm, () => {
    addressArgument(asm, r12, PRODUCT.weights)
    loadArgument(asm, rbp, PRODUCT.xStride)
    loadArgument(asm, rbx, PRODUCT.outStride)
    if (format !== "int4") return emitPairs(asm, { isa, format, epilogue }, "direct")
    const [many, end] = [asm.label(), asm.label()]
    loadArgument(asm, rcx, PRODUCT.numRows)
    asm.cmp(rcx, mostInt4Rows(asm.numRegisters))
    asm.jumpIf("above", many)
    emitPairs(asm, { isa, format, epilogue }, "direct")
    asm.jump(end)
    asm.bind(many)
    emitPairs(asm, { isa, format, epilogue }, "expanded")
    asm.bind(end)
  })
  return asm.finish()
}

/** r12 = the pair's weights, r13 = pairs left, r15 = bytes of f32 columns done. */
function emitPairs(asm: Assembler, kernel: ProductKernel, weights: "direct" | "expanded"): void {
  loadArgument(asm, r13, PRODUCT.numPairs)
  asm.mov(r15, 0)
  asm.times(r13, () => {
    if (weights === "expanded") emitExpandPair(asm)
    for (let half = 0; half < 64 / asm.vectorBytes; half++) emitRows(asm, kernel, weights, half)
    loadArgument(asm, r14, PRODUCT.groupBytes)
    asm.lea(r12, atIndex(r12, r14, 2))
    asm.add(r15, kernel.epilogue.isGated ? 64 : 128)
  })
}

/** r8 = the tile's first row of x, rdx = where its output goes, rcx = rows left. */
function emitRows(asm: Assembler, kernel: ProductKernel, weights: "direct" | "expanded", half: number): void {
  const { isa, format } = kernel
  const isDirectInt4 = format === "int4" && weights === "direct"
  const most = isDirectInt4 ? mostInt4Rows(asm.numRegisters) : mostTileRows(isa)
  addressArgument(asm, r8, PRODUCT.x)
  addressArgument(asm, rdx, PRODUCT.out)
  asm.lea(rdx, atIndex(rdx, r15, 1, half * 32))
  loadArgument(asm, rcx, PRODUCT.numRows)
  const [top, end] = [asm.label(), asm.label()]
  const sizes = Array.from({ length: most }, (_, i) => ({ numRows: most - i, label: asm.label() }))
  asm.bind(top)
  asm.cmp(rcx, most)
  asm.jumpIf("aboveOrEqual", sizes[0]!.label)
  for (const { numRows, label } of sizes.slice(1)) {
    asm.cmp(rcx, numRows)
    asm.jumpIf("equal", label)
  }
  asm.jump(end)
  for (const { numRows, label } of sizes) {
    asm.bind(label)
    emitTile(createProductTile(asm, isa, numRows, half), kernel, weights)
    if (numRows < most) asm.jump(end)
    else {
      asm.sub(rcx, most)
      asm.jump(top)
    }
  }
  asm.bind(end)
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
