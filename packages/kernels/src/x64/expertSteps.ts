/**
 * The steps that take rows through an expert, as records of a task:
 *
 *     [gather rows of x] → gate, up → activation          [quantise] → down
 */
import { expertActivation } from "../Activation.ts"
import { expertOf } from "../slabChecks.ts"
import { emitGatherRows, GATHER_ROWS } from "./gatherRowsKernel.ts"
import { RECORD_VALUES, scratchAddress } from "./kernelAbi.ts"
import { productKernel, writeProduct } from "./planProduct.ts"
import { productWorkBytes } from "./productArguments.ts"
import { quantizeKernel, writeQuantize } from "./quantizeActivations.ts"
import { quantizedRowBytes } from "./quantizedRows.ts"
import type { ProductInput } from "./runProduct.ts"
import type { PlacedRows, X64Context } from "./X64Context.ts"
import type { X64Slab } from "./X64Slab.ts"

/** What the tasks of one call share. */
export interface ExpertCall {
  readonly context: X64Context
  readonly codes: ExpertCodes
  readonly scratch: TaskScratch
  /** The rows of x, as products read them. */
  readonly input: ProductInput
  /** The row of x that each row of the plan reads, and where these numbers lie. */
  readonly tokens: Int32Array
  readonly tokensAddress: number
  readonly outputs: PlacedRows
}

/** Rows `firstRow .. firstRow + numRows` of the plan, which one expert runs. */
export interface ExpertPart {
  readonly slab: X64Slab
  readonly firstRow: number
  readonly numRows: number
  /** Whether its rows of x must be gathered: they do not lie side by side. */
  readonly isGathered: boolean
  /** Where its rows between up and down projection are, `innerRowBytes` apart: an address, or a place in a host's scratch memory. */
  readonly inner: number
}

/** Addresses of the kernels that experts of one shape run; `quantize` is undefined in f32. */
export interface ExpertCodes {
  readonly gather: number
  readonly inner: number
  readonly quantize: number | undefined
  readonly down: number
}

/** Returns the codes that an expert runs; emits those that are not there yet. */
export function expertCodes(context: X64Context, slab: X64Slab): ExpertCodes {
  const { format, activation, gateProj } = expertOf(slab)
  return {
    gather: context.kernels.address("gatherRows", () => emitGatherRows(context.isa)),
    inner: productKernel(context, format, expertActivation(activation, gateProj !== undefined)),
    quantize: format === "f32" ? undefined : quantizeKernel(context),
    down: productKernel(context, format),
  }
}

/** Where a task keeps what in its host's scratch memory, in bytes: gathered rows first. */
export interface TaskScratch {
  readonly inner: number
  readonly quantized: number
  readonly work: number
  readonly bytes: number
}

/** Lays out the scratch of tasks of at most `numRows` rows. */
export function planTaskScratch({ upProj, downProj }: X64Slab, xStride: number, numRows: number): TaskScratch {
  const columns = Math.max(upProj!.layout.paddedColumns, downProj!.layout.paddedColumns)
  const inner = roundUp(numRows * xStride)
  const quantized = inner + numRows * innerRowBytes(upProj!.layout.paddedRows)
  const work = quantized + numRows * quantizedRowBytes(downProj!.layout.paddedColumns)
  return { inner, quantized, work, bytes: work + productWorkBytes(columns) }
}

/** Bytes from one inner row to the next, a line more than it needs: rows shall not fall on the same cache sets. */
export function innerRowBytes(paddedSize: number): number {
  return paddedSize * 4 + 64
}

/** Whether rows of x must be gathered. They lie side by side where each token is the one behind the last. */
export function needsGather({ tokens }: ExpertCall, firstRow: number, numRows: number): boolean {
  for (let row = firstRow + 1; row < firstRow + numRows; row++) {
    if (tokens[row] !== tokens[row - 1]! + 1) return true
  }
  return false
}

/** Pairs of groups that gate and up projection have together, or the up projection alone. */
export function numInnerPairs({ gateProj, upProj }: X64Slab): number {
  return gateProj === undefined ? upProj!.numPairs : 2 * upProj!.numPairs
}

export function numInnerSteps({ isGathered }: ExpertPart): number {
  return isGathered ? 2 : 1
}

export function numDownSteps({ codes: { quantize } }: ExpertCall): number {
  return quantize === undefined ? 1 : 2
}

/** Writes the first half's records from `at` on: some pairs of gate and up projection. */
export function writeInnerSteps(
  { context, codes, scratch, input, tokens, tokensAddress }: ExpertCall,
  at: number,
  { slab, firstRow, numRows, isGathered, inner }: ExpertPart,
  firstPair: number,
  numPairs: number,
): void {
  const { records } = context.hosts
  const { x, xStride } = input
  if (isGathered) {
    records[at] = codes.gather
    records[at + GATHER_ROWS.x] = x
    records[at + GATHER_ROWS.xStride] = xStride
    records[at + GATHER_ROWS.rows] = tokensAddress + firstRow * 4
    records[at + GATHER_ROWS.numRows] = numRows
    records[at + GATHER_ROWS.out] = scratchAddress(0)
    records[at + GATHER_ROWS.rowBytes] = xStride
  }
  const product = isGathered ? at + RECORD_VALUES : at
  writeProduct(context, product, codes.inner, slab.upProj!, slab.gateProj, firstPair, numPairs, {
    x: isGathered ? scratchAddress(0) : x + tokens[firstRow]! * xStride,
    xStride,
    numRows,
    out: inner,
    outStride: innerRowBytes(slab.upProj!.layout.paddedRows),
    expanded: scratchAddress(scratch.work),
  })
}

/** Writes the second half's records from `at` on: some pairs of the down projection. */
export function writeDownSteps(
  { context, codes, scratch, outputs }: ExpertCall,
  at: number,
  { slab, firstRow, numRows, inner }: ExpertPart,
  firstPair: number,
  numPairs: number,
): void {
  const { quantize, down } = codes
  const { numColumns, paddedColumns } = slab.downProj!.layout
  const innerStride = innerRowBytes(slab.upProj!.layout.paddedRows)
  const quantized = scratchAddress(scratch.quantized)
  if (quantize !== undefined) {
    const rows = { x: inner, xStride: innerStride, numColumns, paddedColumns, out: quantized, numRows }
    writeQuantize(context, at, quantize, rows)
  }
  const product = quantize === undefined ? at : at + RECORD_VALUES
  writeProduct(context, product, down, slab.downProj!, undefined, firstPair, numPairs, {
    x: quantize === undefined ? inner : quantized,
    xStride: quantize === undefined ? innerStride : quantizedRowBytes(paddedColumns),
    numRows,
    out: outputs.address + firstRow * outputs.width * 4,
    outStride: outputs.width * 4,
    expanded: scratchAddress(scratch.work),
  })
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / 64) * 64
}
