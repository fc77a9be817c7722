import { ptr } from "bun:ffi"
import type { CacheRows, Rows } from "../Arena.ts"
import type { AttentionLayer, SlotRows } from "../Backend.ts"
import { type CacheFormat, fitsCache } from "../cacheFormat.ts"
import { checkNumRows } from "../slabChecks.ts"
import { ATTEND } from "./attendArguments.ts"
import { emitAttend } from "./attendKernel.ts"
import { emitPrepare, PREPARE, type PrepareShape } from "./attendPrepareKernel.ts"
import { type AttendTile, planAttendTile } from "./attendTile.ts"
import { createPlacedRows, type PlacedRows, placeRows, type X64Context } from "./X64Context.ts"

/** Values of q, k and v that are worth a task of their own. */
const PREPARE_TASK_VALUES = 1 << 15
/** Tasks for each host that an attention is cut into, if its tiles allow: what a host is late by is then small. */
const TASKS_PER_HOST = 4
/** As good as infinite, and within 32 bits. */
const WHOLE_WINDOW = 2 ** 30

/** What of a layer stays from call to call. */
interface LayerPlan {
  readonly prepareCode: number
  readonly attendCode: number
  readonly tile: AttendTile
}

/** Returns `attend` of the x64 backend: two phases, the rows by themselves, then tiles of queries over what the caches hold by then. */
export function createAttend(
  context: X64Context,
): (out: Rows, qkv: Rows, slots: readonly SlotRows[], layer: AttentionLayer) => void {
  const { hosts } = context
  const plans = new WeakMap<AttentionLayer, LayerPlan>()
  const from = createPlacedRows()
  const to = createPlacedRows()
  return (out, qkv, slots, layer) => {
    if (slots.length === 0) return
    const isPaired = "words" in slots[0]!.keys
    let plan = plans.get(layer)
    if (plan?.tile.isPaired !== isPaired) plans.set(layer, (plan = planLayer(context, layer, isPaired)))
    for (let s = 0; s < slots.length; s++) checkSlot(out, qkv, slots[s]!, layer, context.isa.cacheFormat, isPaired)
    // The buffers may be wider: rows lie as this layer's widths have them.
    placeRows(from, context, qkv).width = qkvWidth(layer)
    placeRows(to, context, out).width = layer.numHeads * layer.headDim
    for (let s = 0; s < slots.length; s++) addPrepareTasks(context, from, slots[s]!, layer, plan)
    hosts.run()
    hosts.reserveScratch(plan.tile.bytes)
    for (let s = 0; s < slots.length; s++) addAttendTasks(context, to, from, slots[s]!, layer, plan)
    hosts.run()
  }
}

function qkvWidth({ numHeads, numKvHeads, headDim }: AttentionLayer): number {
  return (numHeads + 2 * numKvHeads) * headDim
}

/** Throws unless all memory that the code will touch for a slot is there. */
function checkSlot(
  out: Rows,
  qkv: Rows,
  slot: SlotRows,
  layer: AttentionLayer,
  format: CacheFormat,
  isPaired: boolean,
): void {
  const { firstRow, numRows, pastLength, capacity, keys, values } = slot
  const { numHeads, numKvHeads, headDim, rope } = layer
  const length = pastLength + numRows
  checkNumRows("attend", qkv, firstRow + numRows, qkvWidth(layer))
  checkNumRows("attend", out, firstRow + numRows, numHeads * headDim)
  checkCache(keys, numKvHeads * capacity, headDim, format, isPaired)
  checkCache(values, numKvHeads * capacity, headDim, format, isPaired)
  if (length > capacity) throw new Error(`attend: expected at most ${capacity} positions, found ${length}`)
  if (rope !== undefined && (length * rope.rotaryDim) / 2 > Math.min(rope.cos.length, rope.sin.length))
    throw new Error(`attend: expected rope tables of ${length} positions or more, found ${rope.cos.length} cosines`)
}

function checkCache(rows: CacheRows, numRows: number, headDim: number, format: CacheFormat, isPaired: boolean): void {
  if ("words" in rows !== isPaired) throw new Error("attend: expected caches of one format, found two")
  if (!("words" in rows)) return checkNumRows("attend", rows, numRows, headDim)
  if (rows.format !== format || !fitsCache(format, headDim))
    throw new Error(`attend: expected a cache of ${format}, found ${rows.format} with heads of ${headDim} values`)
  if (numRows * headDim > rows.words.length * 2)
    throw new Error(`attend: expected ${numRows} rows of ${headDim} values, found room for ${rows.words.length * 2}`)
}

function planLayer({ isa: { vectorBytes }, kernels }: X64Context, layer: AttentionLayer, isPaired: boolean): LayerPlan {
  const { numHeads, numKvHeads, headDim, rope, qkNorm } = layer
  const shape: PrepareShape = {
    numHeads,
    numKvHeads,
    headDim,
    norm: qkNorm?.over ?? "none",
    rotation: rope && { rotaryDim: rope.rotaryDim, isInterleaved: rope.isInterleaved },
    isPaired,
  }
  return {
    prepareCode: kernels.address(`prepare ${JSON.stringify(shape)}`, () => emitPrepare(shape, vectorBytes)),
    attendCode: kernels.address(`attend ${headDim} ${isPaired}`, () => emitAttend(headDim, vectorBytes, isPaired)),
    tile: planAttendTile(headDim, vectorBytes, isPaired),
  }
}

function addPrepareTasks(
  { arena, hosts }: X64Context,
  rows: PlacedRows,
  { firstRow, numRows, pastLength, capacity, keys, values }: SlotRows,
  { rope, qkNorm }: AttentionLayer,
  { prepareCode, tile }: LayerPlan,
): void {
  const { records } = hosts
  const most = Math.max(1, Math.floor(PREPARE_TASK_VALUES / rows.width))
  for (let first = 0; first < numRows; first += most) {
    const at = hosts.add(prepareCode)
    records[at + PREPARE.rows] = rows.address + (firstRow + first) * rows.width * 4
    records[at + PREPARE.numRows] = Math.min(most, numRows - first)
    records[at + PREPARE.position] = pastLength + first
    records[at + PREPARE.keys] = arena.address(keys.span)
    records[at + PREPARE.values] = arena.address(values.span)
    records[at + PREPARE.headStride] = capacity * tile.rowBytes
    records[at + PREPARE.cos] = rope === undefined ? 0 : ptr(rope.cos)
    records[at + PREPARE.sin] = rope === undefined ? 0 : ptr(rope.sin)
    records[at + PREPARE.queryWeight] = qkNorm === undefined ? 0 : ptr(qkNorm.q)
    records[at + PREPARE.keyWeight] = qkNorm === undefined ? 0 : ptr(qkNorm.k)
    records[at + PREPARE.epsilon] = qkNorm === undefined ? 0 : qkNorm.epsilon
  }
}

/** The last positions come first: they see most, and the short tasks are left for the end. */
function addAttendTasks(
  { arena, hosts }: X64Context,
  out: PlacedRows,
  qkv: PlacedRows,
  { firstRow, numRows, pastLength, capacity, keys, values }: SlotRows,
  { numHeads, numKvHeads, headDim, scale, slidingWindow }: AttentionLayer,
  { attendCode, tile: { maxQueries, rowBytes } }: LayerPlan,
): void {
  const { records, numHosts } = hosts
  const groupHeads = numHeads / numKvHeads
  const mostHeads = Math.min(groupHeads, maxQueries)
  const wanted = Math.ceil((numRows * numKvHeads) / (numHosts * TASKS_PER_HOST))
  const mostPositions = Math.min(wanted, Math.floor(maxQueries / mostHeads))
  for (let kvHead = 0; kvHead < numKvHeads; kvHead++) {
    const cache = kvHead * capacity * rowBytes
    for (let end = numRows; end > 0; end -= mostPositions) {
      const first = Math.max(0, end - mostPositions)
      for (let head = 0; head < groupHeads; head += mostHeads) {
        const firstValue = (kvHead * groupHeads + head) * headDim
        const at = hosts.add(attendCode)
        records[at + ATTEND.queries] = qkv.address + ((firstRow + first) * qkv.width + firstValue) * 4
        records[at + ATTEND.queryStride] = qkv.width * 4
        records[at + ATTEND.out] = out.address + ((firstRow + first) * out.width + firstValue) * 4
        records[at + ATTEND.outStride] = out.width * 4
        records[at + ATTEND.keys] = arena.address(keys.span) + cache
        records[at + ATTEND.values] = arena.address(values.span) + cache
        records[at + ATTEND.position] = pastLength + first
        records[at + ATTEND.numPositions] = end - first
        records[at + ATTEND.numHeads] = Math.min(mostHeads, groupHeads - head)
        records[at + ATTEND.window] = Math.min(slidingWindow, WHOLE_WINDOW)
        records[at + ATTEND.scale] = scale
      }
    }
  }
}
