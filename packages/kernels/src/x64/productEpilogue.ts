import type { Activation, ExpertActivation, PlainActivation } from "../Activation.ts"
import type { Format } from "../SlabLayout.ts"
import type { Assembler } from "./Assembler.ts"
import { needsCorrection } from "./dotProduct.ts"
import type { Isa } from "./Isa.ts"
import { addressArgument, loadArgument } from "./kernelAbi.ts"
import { PRODUCT } from "./productArguments.ts"
import { GROUP_COLUMNS, type ProductTile } from "./ProductTile.ts"
import { TAIL_CORRECTION, TAIL_SCALE } from "./quantizedRows.ts"
import { at, atIndex, r11, r15, rax, rbx, rdx } from "./registers.ts"
import { emitClampedSwiglu, emitSilu, selectTail, storeTail } from "./vectorMath.ts"

/** What follows a product. With a gate, the pair is (gate, up), and the output act(gate) · up has the width of one of them. */
export type Epilogue = ExpertActivation | { readonly hasGateProj: false; readonly activation: "none" }

/** What a product kernel is written for. */
export interface ProductKernel {
  readonly isa: Isa
  readonly format: Format
  readonly epilogue: Epilogue
}

/** Emits: a tile's sums → scales, bias, activation → rows at rdx, which moves on by them. x stands at its rows' tails. Changes rax, r11. */
export function emitEpilogue(tile: ProductTile, format: Format, epilogue: Epilogue): void {
  const { asm, numRows, sum, other } = tile
  const { hasGateProj: isGated } = epilogue
  for (const vector of [0, 1]) {
    if (format !== "f32") emitScales(tile, vector, isGated)
    emitBias(tile, vector, isGated)
  }
  const spares = [other(0), other(1), other(2)] as const
  for (let row = 0; row < numRows; row++) {
    if (epilogue.hasGateProj) emitGated(asm, epilogue.activation, sum(row, 0), sum(row, 1), spares)
    else for (const vector of [0, 1]) emitActivation(asm, epilogue.activation, sum(row, vector), spares)
  }
  for (const vector of isGated ? [0] : [0, 1]) emitStores(tile, vector)
  asm.mov(rax, rbx)
  asm.imul(rax, numRows)
  asm.add(rdx, rax)
}

/** `(f32(sum) · scale of the column) · scale of the row` */
function emitScales({ asm, isa, numRows, half, sum, other, x }: ProductTile, vector: number, isGated: boolean): void {
  const [scales, ofRow] = [other(0), other(1)]
  const isSecond = isGated && vector === 1
  addressArgument(asm, rax, isSecond ? PRODUCT.secondScales : PRODUCT.scales)
  asm.vmovups(scales, atIndex(rax, r15, 1, half * 32 + (isGated ? 0 : vector * 64)))
  for (let row = 0; row < numRows; row++) {
    const value = sum(row, vector)
    if (needsCorrection(isa)) {
      asm.vbroadcastss(ofRow, x(row, TAIL_CORRECTION))
      asm.vpaddd(value, value, ofRow)
    }
    asm.vcvtdq2ps(value, value)
    asm.vmulps(value, value, scales)
    asm.vbroadcastss(ofRow, x(row, TAIL_SCALE))
    asm.vmulps(value, value, ofRow)
  }
}

function emitBias({ asm, numRows, half, sum, other }: ProductTile, vector: number, isGated: boolean): void {
  const bias = other(0)
  const none = asm.label()
  loadArgument(asm, rax, isGated && vector === 1 ? PRODUCT.secondBias : PRODUCT.bias)
  asm.test(rax, rax)
  asm.jumpIf("equal", none)
  asm.vmovups(bias, atIndex(rax, r15, 1, half * 32 + (isGated ? 0 : vector * 64)))
  for (let row = 0; row < numRows; row++) asm.vaddps(sum(row, vector), sum(row, vector), bias)
  asm.bind(none)
}

type Spares = readonly [number, number, number]

/** Leaves `act(gate) · up` in `gate`. */
function emitGated(asm: Assembler, activation: Activation, gate: number, up: number, spares: Spares): void {
  if (typeof activation !== "string") return emitClampedSwiglu(asm, gate, up, activation.limit, spares)
  emitActivation(asm, activation, gate, spares)
  asm.vmulps(gate, gate, up)
}

function emitActivation(asm: Assembler, activation: PlainActivation | "none", value: number, spares: Spares): void {
  if (activation === "silu") emitSilu(asm, value, spares)
  if (activation === "relu") {
    // The second operand is what NaN leaves: a fault stays visible.
    asm.vpxor(spares[0], spares[0], spares[0])
    asm.vmaxps(value, spares[0], value)
  }
}

/** Stores a vector of each row, as far as there are output columns. */
function emitStores({ asm, numRows, half, sum, other }: ProductTile, vector: number): void {
  const tail = { opmask: 1, vector: other(0) }
  loadArgument(asm, rax, PRODUCT.outColumns)
  asm.mov(r11, r15)
  asm.shr(r11, 2)
  asm.sub(rax, r11)
  asm.sub(rax, vector * GROUP_COLUMNS + half * 8)
  selectTail(asm, rax, tail)
  asm.lea(rax, at(rdx, vector * 64))
  for (let row = 0; row < numRows; row++) {
    storeTail(asm, at(rax), sum(row, vector), tail)
    asm.add(rax, rbx)
  }
}
