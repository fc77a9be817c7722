/**
 * A layer's experts all at once: which rows go to which expert is a plan, one task takes one expert's rows through the whole network.
 *
 *     quantise x  →  for each expert: [gather rows] → gate, up → activation → quantise → down  →  combine
 *
 * Where experts are few, as in a dense layer's single network, their matrices are cut by columns instead, in two phases.
 */
import type { ExpertRows } from "../Backend.ts"
import { countProductParts, guidedStart } from "./countParts.ts"
import {
  createExpertCall,
  type ExpertCall,
  numDownSteps,
  numInnerPairs,
  numInnerSteps,
  planTaskScratch,
  setPart,
  writeDownSteps,
  writeInnerSteps,
} from "./expertSteps.ts"
import { RECORD_VALUES, scratchAddress } from "./kernelAbi.ts"
import { placeActivations, type ProductMemory } from "./runProduct.ts"
import { createGrowingMemory, type GrowingMemory, type PlacedRows, type X64Context } from "./X64Context.ts"
import type { X64Slab } from "./X64Slab.ts"

/** Memory of this operation, kept from call to call. */
export interface ExpertMemory {
  /** What it shares with products: 8-bit rows of x. */
  readonly products: ProductMemory
  /** The row of x that each assignment reads, int32. */
  readonly tokens: GrowingMemory
  /** f32 rows between up and down projection, where experts are cut by columns. */
  readonly inner: GrowingMemory
  readonly call: ExpertCall
}

export function createExpertMemory(context: X64Context, products: ProductMemory): ExpertMemory {
  const { arena } = context
  return {
    products,
    tokens: createGrowingMemory(arena),
    inner: createGrowingMemory(arena),
    call: createExpertCall(context),
  }
}

/** Most rows of one task: more would not fit the core's own cache. */
const MOST_ROWS = 64
/** Least share of the hosts that whole experts must keep busy. */
const LEAST_BUSY = 0.85

type Slabs = readonly (X64Slab | undefined)[]

/** Which rows of x each expert runs; `ExpertRows` without what only the sum needs. */
export type RowPlan = Pick<ExpertRows, "numTokens" | "topK" | "order" | "offsets">

/** Runs experts on their rows: `outputs[row] = FFN_e(x[token of row])`, rows as the plan has them. Those that run, a slab and rows given, are all of one shape. */
export function runExperts(
  context: X64Context,
  memory: ExpertMemory,
  outputs: PlacedRows,
  x: PlacedRows,
  plan: RowPlan,
  slabs: Slabs,
): void {
  const first = firstThatRuns(plan, slabs)
  if (first === undefined) return
  const { hosts } = context
  const numRows = plan.offsets[slabs.length]!
  const rowsPerTask = chooseRowsPerTask(numRows, hosts.numHosts)
  const isByRows = numRows > MOST_ROWS || keepsHostsBusy(countTasks(plan, slabs, rowsPerTask), hosts.numHosts)
  const { call } = memory
  placeActivations(call.input, context, memory.products, x, plan.numTokens, first.upProj!)
  planTaskScratch(call.scratch, first, call.input.xStride, isByRows ? rowsPerTask : numRows)
  hosts.reserveScratch(call.scratch.bytes)
  call.tokensAddress = placeTokens(memory.tokens, plan, numRows)
  call.tokens = memory.tokens.words()
  call.outputs = outputs
  if (isByRows) runByRows(call, plan, slabs, rowsPerTask)
  else runByColumns(call, plan, slabs, memory.inner.address(numRows * first.kind!.innerStride))
}

/** Returns how many rows an expert runs: none without a slab. */
function numRowsOf({ offsets }: RowPlan, slabs: Slabs, e: number): number {
  return slabs[e] === undefined ? 0 : offsets[e + 1]! - offsets[e]!
}

/** Returns the first expert that runs. @throws Error where another one that does is not like it */
function firstThatRuns(plan: RowPlan, slabs: Slabs): X64Slab | undefined {
  let first: X64Slab | undefined
  for (let e = 0; e < slabs.length; e++) {
    if (numRowsOf(plan, slabs, e) === 0) continue
    first ??= slabs[e]!
    const kind = slabs[e]!.kind!
    if (kind !== first.kind)
      throw new Error(`x64: expected experts alike, found ${first.kind!.shape} and ${kind.shape}`)
  }
  return first
}

/** Whole tiles, and enough tasks for every host. */
function chooseRowsPerTask(numRows: number, numHosts: number): number {
  const share = Math.ceil(numRows / (numHosts * 4) / 16) * 16
  return Math.min(MOST_ROWS, Math.max(16, share))
}

function countTasks(plan: RowPlan, slabs: Slabs, rowsPerTask: number): number {
  let numTasks = 0
  for (let e = 0; e < slabs.length; e++) numTasks += Math.ceil(numRowsOf(plan, slabs, e) / rowsPerTask)
  return numTasks
}

function keepsHostsBusy(numTasks: number, numHosts: number): boolean {
  return numTasks / (Math.ceil(numTasks / numHosts) * numHosts) >= LEAST_BUSY
}

function placeTokens(memory: GrowingMemory, { order, topK }: RowPlan, numRows: number): number {
  const address = memory.address(numRows * 4)
  const words = memory.words()
  for (let row = 0; row < numRows; row++) words[row] = Math.floor(order[row]! / topK)
  return address
}

/** One task for an expert's rows, or for each `rowsPerTask` of them. */
function runByRows(call: ExpertCall, plan: RowPlan, slabs: Slabs, rowsPerTask: number): void {
  const { offsets } = plan
  const { hosts } = call.context
  const inner = scratchAddress(call.scratch.inner)
  for (let e = 0; e < slabs.length; e++) {
    const end = offsets[e]! + numRowsOf(plan, slabs, e)
    for (let firstRow = offsets[e]!; firstRow < end; firstRow += rowsPerTask) {
      const slab = slabs[e]!
      setPart(call, firstRow, Math.min(rowsPerTask, end - firstRow), inner)
      const numFirst = numInnerSteps(call)
      const at = hosts.addSequence(numFirst + numDownSteps(slab))
      writeInnerSteps(call, at, slab, 0, numInnerPairs(slab))
      writeDownSteps(call, at + numFirst * RECORD_VALUES, slab, 0, slab.downProj!.numPairs)
    }
  }
  hosts.run()
}

/** Two phases, each matrix cut by columns: all gate and up projections, then all down projections. Inner rows lie at `inner`, in order of the plan. */
function runByColumns(call: ExpertCall, plan: RowPlan, slabs: Slabs, inner: number): void {
  const { offsets } = plan
  const { hosts } = call.context
  for (let e = 0; e < slabs.length; e++) {
    if (numRowsOf(plan, slabs, e) > 0) addInnerTasks(call, slabs[e]!, offsets[e]!, offsets[e + 1]!, inner)
  }
  hosts.run()
  for (let e = 0; e < slabs.length; e++) {
    if (numRowsOf(plan, slabs, e) > 0) addDownTasks(call, slabs[e]!, offsets[e]!, offsets[e + 1]!, inner)
  }
  hosts.run()
}

function addInnerTasks(call: ExpertCall, slab: X64Slab, firstRow: number, endRow: number, inner: number): void {
  const { hosts } = call.context
  const numPairs = numInnerPairs(slab)
  setPart(call, firstRow, endRow - firstRow, inner + firstRow * slab.kind!.innerStride)
  const numParts = countProductParts(hosts.numHosts, slab.upProj!, numPairs, endRow - firstRow)
  for (let part = 0; part < numParts; part++) {
    const first = guidedStart(numPairs, part, numParts)
    const count = guidedStart(numPairs, part + 1, numParts) - first
    if (count === 0) continue
    writeInnerSteps(call, hosts.addSequence(numInnerSteps(call)), slab, first, count)
  }
}

/** Each task quantises the rows again: that is cheaper than another phase. */
function addDownTasks(call: ExpertCall, slab: X64Slab, firstRow: number, endRow: number, inner: number): void {
  const { hosts } = call.context
  const { numPairs } = slab.downProj!
  setPart(call, firstRow, endRow - firstRow, inner + firstRow * slab.kind!.innerStride)
  const numParts = countProductParts(hosts.numHosts, slab.downProj!, numPairs, endRow - firstRow)
  for (let part = 0; part < numParts; part++) {
    const first = guidedStart(numPairs, part, numParts)
    const count = guidedStart(numPairs, part + 1, numParts) - first
    if (count === 0) continue
    writeDownSteps(call, hosts.addSequence(numDownSteps(slab)), slab, first, count)
  }
}
