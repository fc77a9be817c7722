/**
 * A layer's experts all at once: which rows go to which expert is a plan, one task takes one expert's rows through the whole network.
 *
 *     quantise x  →  for each expert: [gather rows] → gate, up → activation → quantise → down  →  combine
 *
 * Where tasks would be few, as with one row's experts or a dense layer's single network, their matrices are cut by columns instead.
 */
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
import { runByColumns } from "./runByColumns.ts"
import { numRowsOf, type RowPlan, type Slabs } from "./RowPlan.ts"
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
  /** A gate for each of these experts. */
  readonly gates: GrowingMemory
  readonly call: ExpertCall
}

export function createExpertMemory(context: X64Context, products: ProductMemory): ExpertMemory {
  const { arena } = context
  return {
    products,
    tokens: createGrowingMemory(arena),
    inner: createGrowingMemory(arena),
    gates: createGrowingMemory(arena),
    call: createExpertCall(context),
  }
}

/** Most rows of one task: more would not fit the core's own cache. */
const MOST_ROWS = 64
/** Least tasks for each host where whole experts are tasks: a host that is slow, or put aside, keeps the others waiting for one. */
const LEAST_TASKS_PER_HOST = 8

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
  const isByRows = numRows > MOST_ROWS || countTasks(plan, slabs, rowsPerTask) > LEAST_TASKS_PER_HOST * hosts.numHosts
  const { call } = memory
  placeActivations(call.input, context, memory.products, x, plan.numTokens, first.upProj!)
  planTaskScratch(call.scratch, first, call.input.xStride, isByRows ? rowsPerTask : numRows)
  hosts.reserveScratch(call.scratch.bytes)
  call.tokensAddress = placeTokens(memory.tokens, plan, numRows)
  call.tokens = memory.tokens.words()
  call.outputs = outputs
  if (isByRows) runByRows(call, plan, slabs, rowsPerTask)
  else runByColumns(call, plan, slabs, memory.inner.address(numRows * first.kind!.innerStride), memory.gates)
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
