/**
 * The steps that take rows through an expert, as records of a task:
 *
 *     [gather rows of x] → gate, up → activation          [quantise] → down
 */
import { GATHER_ROWS } from "./gatherRowsKernel.ts"
import { RECORD_VALUES, scratchAddress } from "./kernelAbi.ts"
import { productWorkBytes } from "./productArguments.ts"
import { createRowsToQuantize, type RowsToQuantize, writeQuantize } from "./quantizeActivations.ts"
import { quantizedRowBytes } from "./quantizedRows.ts"
import { createProductRows, type ProductInput, type ProductRows, writeProduct } from "./writeProduct.ts"
import { createPlacedRows, type PlacedRows, type X64Context } from "./X64Context.ts"
import type { X64Slab } from "./X64Slab.ts"

/** What the tasks of one call share. It is made once and written anew by each call, down to each record's rows, so that a call allocates nothing. */
export interface ExpertCall {
  readonly context: X64Context
  readonly scratch: TaskScratch
  /** The rows of x, as products read them. */
  readonly input: ProductInput
  /** The row of x that each row of the plan reads, and where these numbers lie. */
  tokens: Int32Array
  tokensAddress: number
  outputs: PlacedRows
  /** The rows that the next records run. */
  readonly part: ExpertPart
  /** Bytes of weights that no task has yet, where experts are cut by columns. */
  bytesLeft: number
  readonly product: ProductRows
  readonly toQuantize: RowsToQuantize
}

/** Rows `firstRow .. firstRow + numRows` of the plan, which one expert runs. */
interface ExpertPart {
  firstRow: number
  numRows: number
  /** Whether its rows of x must be gathered: they do not lie side by side. */
  isGathered: boolean
  /** Where its rows between up and down projection are, `innerStride` of their kind apart: an address, or a place in a host's scratch memory. */
  inner: number
}

/** Where a task keeps what in its host's scratch memory, in bytes: gathered rows first. */
export interface TaskScratch {
  inner: number
  quantized: number
  work: number
  bytes: number
}

export function createExpertCall(context: X64Context): ExpertCall {
  return {
    context,
    scratch: { inner: 0, quantized: 0, work: 0, bytes: 0 },
    input: { x: 0, xStride: 0 },
    tokens: new Int32Array(),
    tokensAddress: 0,
    outputs: createPlacedRows(),
    part: { firstRow: 0, numRows: 0, isGathered: false, inner: 0 },
    bytesLeft: 0,
    product: createProductRows(),
    toQuantize: createRowsToQuantize(),
  }
}

/** Lays out the scratch of tasks of at most `numRows` rows. */
export function planTaskScratch(
  out: TaskScratch,
  { kind, upProj, downProj }: X64Slab,
  xStride: number,
  numRows: number,
): void {
  const columns = Math.max(upProj!.layout.paddedColumns, downProj!.layout.paddedColumns)
  out.inner = roundUp(numRows * xStride)
  out.quantized = out.inner + numRows * kind!.innerStride
  out.work = out.quantized + numRows * quantizedRowBytes(kind!.paddedInnerColumns)
  out.bytes = out.work + productWorkBytes(columns)
}

/** Sets the rows that the next records run. */
export function setPart({ part, tokens }: ExpertCall, firstRow: number, numRows: number, inner: number): void {
  part.firstRow = firstRow
  part.numRows = numRows
  part.isGathered = needsGather(tokens, firstRow, numRows)
  part.inner = inner
}

/** Whether rows of x must be gathered. They lie side by side where each token is the one behind the last. */
function needsGather(tokens: Int32Array, firstRow: number, numRows: number): boolean {
  for (let row = firstRow + 1; row < firstRow + numRows; row++) {
    if (tokens[row] !== tokens[row - 1]! + 1) return true
  }
  return false
}

/** Pairs of groups that gate and up projection have together, or the up projection alone. */
export function numInnerPairs({ gateProj, upProj }: X64Slab): number {
  return gateProj === undefined ? upProj!.numPairs : 2 * upProj!.numPairs
}

export function numInnerSteps({ part }: ExpertCall): number {
  return part.isGathered ? 2 : 1
}

export function numDownSteps({ kind }: X64Slab): number {
  return kind!.isQuantized ? 2 : 1
}

/** Writes the first half's records from `at` on: some pairs of gate and up projection. */
export function writeInnerSteps(
  call: ExpertCall,
  at: number,
  slab: X64Slab,
  firstPair: number,
  numPairs: number,
): void {
  const { context, scratch, input, tokens, part, product } = call
  if (part.isGathered) writeGather(call, at)
  product.x = part.isGathered ? scratchAddress(0) : input.x + tokens[part.firstRow]! * input.xStride
  product.xStride = input.xStride
  product.numRows = part.numRows
  product.out = part.inner
  product.outStride = slab.kind!.innerStride
  product.expanded = scratchAddress(scratch.work)
  const next = part.isGathered ? at + RECORD_VALUES : at
  writeProduct(context, next, slab.kind!.innerCode, slab.upProj!, slab.gateProj, firstPair, numPairs, product)
}

function writeGather({ context, input, tokensAddress, part }: ExpertCall, at: number): void {
  const { records } = context.hosts
  records[at] = context.codes.gather
  records[at + GATHER_ROWS.x] = input.x
  records[at + GATHER_ROWS.xStride] = input.xStride
  records[at + GATHER_ROWS.rows] = tokensAddress + part.firstRow * 4
  records[at + GATHER_ROWS.numRows] = part.numRows
  records[at + GATHER_ROWS.out] = scratchAddress(0)
  records[at + GATHER_ROWS.rowBytes] = input.xStride
}

/** Writes the second half's records from `at` on: some pairs of the down projection. */
export function writeDownSteps(call: ExpertCall, at: number, slab: X64Slab, firstPair: number, numPairs: number): void {
  const { context, scratch, outputs, part, product, toQuantize } = call
  const { innerStride, innerColumns, paddedInnerColumns, isQuantized } = slab.kind!
  product.x = part.inner
  product.xStride = innerStride
  product.numRows = part.numRows
  product.out = outputs.address + part.firstRow * outputs.width * 4
  product.outStride = outputs.width * 4
  product.expanded = scratchAddress(scratch.work)
  let next = at
  if (isQuantized) {
    toQuantize.x = product.x
    toQuantize.xStride = product.xStride
    toQuantize.numColumns = innerColumns
    toQuantize.paddedColumns = paddedInnerColumns
    toQuantize.isRotated = slab.kind!.isRotated
    // The product, which comes after, has its room in the same place.
    toQuantize.rotated = scratchAddress(scratch.work)
    toQuantize.out = scratchAddress(scratch.quantized)
    toQuantize.numRows = part.numRows
    writeQuantize(context, at, toQuantize)
    product.x = toQuantize.out
    product.xStride = quantizedRowBytes(paddedInnerColumns)
    next += RECORD_VALUES
  }
  writeProduct(context, next, slab.downProj!.code, slab.downProj!, undefined, firstPair, numPairs, product)
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / 64) * 64
}
