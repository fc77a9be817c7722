/**
 * A layer's experts all at once: which rows go to which expert is a plan, one task takes one expert's rows through the whole network.
 *
 *     quantise x  →  for each expert: [gather rows] → gate, up → activation → quantise → down  →  combine
 *
 * Where experts are few, as in a dense layer's single network, their matrices are cut by columns instead, in two phases.
 */
import { expertActivation } from "../Activation.ts"
import type { ExpertRows } from "../Backend.ts"
import { emitGatherRows, GATHER_ROWS } from "./gatherRowsKernel.ts"
import { scratchAddress } from "./kernelAbi.ts"
import { productWorkBytes } from "./productArguments.ts"
import {
  GATED_COLUMNS,
  numProductTasks,
  PAIR_COLUMNS,
  productKernel,
  type ProductRows,
  writeProduct,
} from "./planProduct.ts"
import { writeQuantize } from "./quantizeActivations.ts"
import { quantizedRowBytes } from "./quantizedRows.ts"
import type { GrowingMemory, PlacedRows, X64Context } from "./X64Context.ts"
import { placeActivations } from "./runProduct.ts"
import type { X64Slab } from "./X64Slab.ts"

/** Memory of this operation. */
export interface ExpertMemory {
  /** 8-bit rows of x. */
  readonly activations: GrowingMemory
  /** The row of x that each assignment reads, int32. */
  readonly tokens: GrowingMemory
  /** f32 rows between up and down projection, where experts are cut by columns. */
  readonly inner: GrowingMemory
}

/** Most rows of one task: more would not fit the core's own cache. */
const MOST_ROWS = 64
/** Least share of the hosts that whole experts must keep busy. */
const LEAST_BUSY = 0.85

/** Which rows of x each expert runs; `ExpertRows` without what only the sum needs. */
export type RowPlan = Pick<ExpertRows, "numTokens" | "topK" | "order" | "offsets">

/** Runs every expert on its rows: `outputs[row] = FFN_e(x[token of row])`, rows as the plan has them. */
export function runExperts(
  context: X64Context,
  memory: ExpertMemory,
  outputs: PlacedRows,
  x: PlacedRows,
  plan: RowPlan,
  slabs: readonly X64Slab[],
): void {
  const numRows = plan.offsets[slabs.length]!
  if (numRows === 0) return
  const shape = slabs[0]!.upProj!
  const source = placeActivations(context, memory.activations, x, plan.numTokens, shape)
  const tokens = placeTokens(memory.tokens, plan, numRows)
  const call: Call = { context, memory, outputs, source, tokens, plan, slabs }
  const rowsPerTask = chooseRowsPerTask(numRows, context.hosts.numHosts)
  let numTasks = 0
  for (let e = 0; e < slabs.length; e++) numTasks += Math.ceil((plan.offsets[e + 1]! - plan.offsets[e]!) / rowsPerTask)
  const { numHosts } = context.hosts
  const busy = numTasks / (Math.ceil(numTasks / numHosts) * numHosts)
  if (busy >= LEAST_BUSY || numRows > MOST_ROWS) runByRows(call, rowsPerTask)
  else runByColumns(call)
}

interface Call {
  readonly context: X64Context
  readonly memory: ExpertMemory
  readonly outputs: PlacedRows
  readonly source: { readonly x: number; readonly xStride: number }
  readonly tokens: number
  readonly plan: RowPlan
  readonly slabs: readonly X64Slab[]
}

function placeTokens(memory: GrowingMemory, { order, topK }: RowPlan, numRows: number): number {
  const address = memory.address(numRows * 4)
  const words = memory.words()
  for (let row = 0; row < numRows; row++) words[row] = Math.floor(order[row]! / topK)
  return address
}

/** Whole tiles, and enough tasks for every host. */
function chooseRowsPerTask(numRows: number, numHosts: number): number {
  const share = Math.ceil(numRows / (numHosts * 4) / 16) * 16
  return Math.min(MOST_ROWS, Math.max(16, share))
}

/** Where a task keeps its rows in its host's scratch memory, in bytes. */
interface TaskLayout {
  readonly inner: number
  readonly innerStride: number
  readonly quantized: number
  readonly expanded: number
  readonly bytes: number
}

function planTask({ upProj, downProj }: X64Slab, xStride: number, numRows: number): TaskLayout {
  const innerStride = innerRowBytes(upProj!.layout.paddedRows)
  const inner = roundUp(numRows * xStride)
  const quantized = inner + roundUp(numRows * innerStride)
  const expanded = quantized + roundUp(numRows * quantizedRowBytes(downProj!.layout.paddedColumns))
  const columns = Math.max(upProj!.layout.paddedColumns, downProj!.layout.paddedColumns)
  return { inner, innerStride, quantized, expanded, bytes: expanded + productWorkBytes(columns) }
}

/** One task for an expert's rows, or for each `rowsPerTask` of them. */
function runByRows(call: Call, rowsPerTask: number): void {
  const { context, slabs, plan, source } = call
  const layout = planTask(slabs[0]!, source.xStride, rowsPerTask)
  context.hosts.reserveScratch(layout.bytes)
  for (let e = 0; e < slabs.length; e++) {
    const end = plan.offsets[e + 1]!
    for (let first = plan.offsets[e]!; first < end; first += rowsPerTask) {
      addExpertTask(call, slabs[e]!, first, Math.min(rowsPerTask, end - first), layout)
    }
  }
  context.hosts.run()
}

function addExpertTask(call: Call, slab: X64Slab, firstRow: number, numRows: number, layout: TaskLayout): void {
  const { context, source, outputs, plan } = call
  const { hosts } = context
  const { gateProj, upProj, downProj } = slab
  const { format, numRows: intermediateSize } = upProj!.layout
  const isQuantized = format !== "f32"
  const isGathered = needsGather(call, firstRow, numRows)
  let at = hosts.addSequence(2 + (isGathered ? 1 : 0) + (isQuantized ? 1 : 0))
  const next = (): number => {
    const step = at
    at += RECORD_STEP
    return step
  }
  if (isGathered) writeGather(call, next(), firstRow, numRows)
  const expanded = scratchAddress(layout.expanded)
  const inner = { address: scratchAddress(layout.inner), stride: layout.innerStride }
  writeProduct(context, next(), innerKernel(context, slab), upProj!, gateProj, 0, numInnerPairs(slab), {
    x: isGathered ? scratchAddress(0) : source.x + tokenOf(plan, firstRow) * source.xStride,
    xStride: source.xStride,
    numRows,
    out: inner.address,
    outStride: inner.stride,
    expanded,
  })
  const down = downInput(
    context,
    isQuantized ? next() : undefined,
    slab,
    inner,
    numRows,
    intermediateSize,
    scratchAddress(layout.quantized),
  )
  writeProduct(context, next(), productKernel(context, format), downProj!, undefined, 0, downProj!.numGroups / 2, {
    ...down,
    numRows,
    out: outputs.address + firstRow * outputs.width * 4,
    outStride: outputs.width * 4,
    expanded,
  })
}

/** Writes the record that quantises inner rows, where the down projection wants them so; returns what it reads. */
function downInput(
  context: X64Context,
  at: number | undefined,
  { downProj }: X64Slab,
  inner: { readonly address: number; readonly stride: number },
  numRows: number,
  numColumns: number,
  quantized: number,
): Pick<ProductRows, "x" | "xStride"> {
  if (at === undefined) return { x: inner.address, xStride: inner.stride }
  const { paddedColumns } = downProj!.layout
  writeQuantize(context, at, {
    x: inner.address,
    xStride: inner.stride,
    numColumns,
    paddedColumns,
    out: quantized,
    numRows,
  })
  return { x: quantized, xStride: quantizedRowBytes(paddedColumns) }
}

function tokenOf({ order, topK }: RowPlan, row: number): number {
  return Math.floor(order[row]! / topK)
}

/** Tokens ascend within an expert: they lie side by side where the last is as far from the first as their number says. */
function needsGather({ plan }: Call, firstRow: number, numRows: number): boolean {
  return tokenOf(plan, firstRow + numRows - 1) - tokenOf(plan, firstRow) !== numRows - 1
}

function writeGather({ context, source, tokens }: Call, at: number, firstRow: number, numRows: number): void {
  const { hosts, kernels, isa } = context
  const { records } = hosts
  records[at] = kernels.address("gatherRows", () => emitGatherRows(isa))
  records[at + GATHER_ROWS.x] = source.x
  records[at + GATHER_ROWS.xStride] = source.xStride
  records[at + GATHER_ROWS.rows] = tokens + firstRow * 4
  records[at + GATHER_ROWS.numRows] = numRows
  records[at + GATHER_ROWS.out] = scratchAddress(0)
  records[at + GATHER_ROWS.rowBytes] = source.xStride
}

/** Two phases, each matrix cut by columns: all gate and up projections, then all down projections. */
function runByColumns(call: Call): void {
  const { context, memory, slabs, plan, source } = call
  const { hosts } = context
  const numRows = plan.offsets[slabs.length]!
  const innerStride = innerRowBytes(slabs[0]!.upProj!.layout.paddedRows)
  const inner = memory.inner.address(numRows * innerStride)
  // Scratch: gathered or quantised rows, then room for expanded weights.
  const layout = planTask(slabs[0]!, source.xStride, numRows)
  hosts.reserveScratch(layout.bytes)
  for (const phase of [addInnerTasks, addDownTasks]) {
    for (let e = 0; e < slabs.length; e++) {
      const firstRow = plan.offsets[e]!
      const count = plan.offsets[e + 1]! - firstRow
      if (count > 0) phase(call, slabs[e]!, firstRow, count, { ...layout, inner: inner + firstRow * innerStride })
    }
    hosts.run()
  }
}

function addInnerTasks(call: Call, slab: X64Slab, firstRow: number, numRows: number, layout: TaskLayout): void {
  const { context, source, plan } = call
  const { hosts } = context
  const { gateProj, upProj } = slab
  const isGathered = needsGather(call, firstRow, numRows)
  const code = innerKernel(context, slab)
  forEachPart(context, slab, "inner", numRows, (first, count) => {
    const at = hosts.addSequence(isGathered ? 2 : 1)
    if (isGathered) writeGather(call, at, firstRow, numRows)
    writeProduct(context, isGathered ? at + RECORD_STEP : at, code, upProj!, gateProj, first, count, {
      x: isGathered ? scratchAddress(0) : source.x + tokenOf(plan, firstRow) * source.xStride,
      xStride: source.xStride,
      numRows,
      out: layout.inner,
      outStride: layout.innerStride,
      expanded: scratchAddress(layout.expanded),
    })
  })
}

function addDownTasks(
  { context, outputs }: Call,
  slab: X64Slab,
  firstRow: number,
  numRows: number,
  layout: TaskLayout,
): void {
  const { hosts } = context
  const { upProj, downProj } = slab
  const { format, numRows: intermediateSize } = upProj!.layout
  const isQuantized = format !== "f32"
  const code = productKernel(context, format)
  const inner = { address: layout.inner, stride: layout.innerStride }
  forEachPart(context, slab, "down", numRows, (first, count) => {
    // Each part quantises the rows again: that is cheaper than another phase.
    const at = hosts.addSequence(isQuantized ? 2 : 1)
    const quantized = scratchAddress(layout.quantized)
    const input = downInput(context, isQuantized ? at : undefined, slab, inner, numRows, intermediateSize, quantized)
    writeProduct(context, isQuantized ? at + RECORD_STEP : at, code, downProj!, undefined, first, count, {
      ...input,
      numRows,
      out: outputs.address + firstRow * outputs.width * 4,
      outStride: outputs.width * 4,
      expanded: scratchAddress(layout.expanded),
    })
  })
}

/** Cuts one projection's pairs into parts that are worth a task. */
function forEachPart(
  { hosts: { numHosts } }: X64Context,
  slab: X64Slab,
  projection: "inner" | "down",
  numRows: number,
  add: (firstPair: number, numPairs: number) => void,
): void {
  const matrix = projection === "down" ? slab.downProj! : slab.upProj!
  const numPairs = projection === "down" ? matrix.numGroups / 2 : numInnerPairs(slab)
  const bytes = numPairs * 2 * matrix.groupBytes
  const numParts = numProductTasks(numHosts, bytes, numRows, numPairs)
  for (let part = 0; part < numParts; part++) {
    const first = Math.floor((numPairs * part) / numParts)
    const end = Math.floor((numPairs * (part + 1)) / numParts)
    add(first, end - first)
  }
}

/** Values of a record: the distance of a sequence's steps. */
const RECORD_STEP = 16

function innerKernel(context: X64Context, { layout, gateProj }: X64Slab): number {
  if (layout.kind !== "expert") throw new Error("x64: expected an expert slab, found a matrix")
  return productKernel(context, layout.format, expertActivation(layout.activation, gateProj !== undefined))
}

function numInnerPairs({ gateProj, upProj }: X64Slab): number {
  return gateProj === undefined ? (upProj!.numGroups * 16) / PAIR_COLUMNS : (upProj!.numGroups * 16) / GATED_COLUMNS
}

/** Bytes from one inner row to the next, a line more than it needs: rows shall not fall on the same cache sets. */
function innerRowBytes(paddedSize: number): number {
  return paddedSize * 4 + 64
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / 64) * 64
}
