/**
 * The backend on WebGPU: on whatever GPU the system has a driver for.
 *
 * Slabs are uploaded as they are packed and unpacked in the kernels. A call by itself uploads its rows, runs its kernels and reads its results back, in one submission; calls of
 * a step are recorded, and rows stay on the device until they are asked for.
 */
import { ptr } from "bun:ffi"
import {
  type Arena,
  type AttentionLayer,
  type Backend,
  type CacheRows,
  checkWidths,
  type ExpertRows,
  isRotated,
  matrixOf,
  type Op,
  type Rows,
  type Slab,
  type SlabLayout,
  type SlotRows,
  StateLostError,
} from "@consilium/kernels"
import { addScaledRows } from "./addScaledRows.ts"
import { checkHeadDim } from "./AttendKind.ts"
import { attendRows } from "./attendRows.ts"
import { createDeviceRows } from "./DeviceRows.ts"
import { createGpuConstants } from "./GpuConstants.ts"
import { createGpuKernels } from "./GpuKernels.ts"
import { type GpuQueueOptions, openGpuQueue } from "./GpuQueue.ts"
import { createGpuScratch } from "./GpuScratch.ts"
import type { GpuSlab } from "./GpuSlab.ts"
import type { GpuAdapterInfo } from "./openDevice.ts"
import { combineRows } from "./combineRows.ts"
import { normRows } from "./normRows.ts"
import { type ExpertRun, type GpuContext, multiplyRows, readyRows, runExperts } from "./runRows.ts"

const OPS: ReadonlySet<Op> = new Set(["embed", "matmul", "expert", "experts", "combine", "attend", "norm", "addScaled"])

/** A run of rows. */
interface RowRange {
  readonly rows: CacheRows
  readonly firstRow: number
  readonly numRows: number
}

export interface GpuBackend extends Backend {
  /** The adapter that it computes on. */
  readonly adapter: GpuAdapterInfo
  /** What lives on the device: buffers as the device's worker counts them, and bytes of slabs and scratch. */
  deviceMemory(): { readonly numBuffers: number; readonly bytes: number }
}

/**
 * Creates the backend on the system's best adapter.
 *
 * A call that loses the device throws, and so does one that it refuses; the next opens it again, and uploads slabs again as they are used. `endHost` loses it on purpose.
 *
 * @throws Error in one line where there is no adapter, or the one there is computes wrongly
 */
export function createGpuBackend(arena: Arena, options: GpuQueueOptions = {}): GpuBackend {
  const queue = openGpuQueue(options)
  const kernels = createGpuKernels(queue)
  const scratch = createGpuScratch(queue)
  const constants = createGpuConstants(queue)
  const context: GpuContext = { queue, kernels, scratch, constants }
  const rows = createDeviceRows(queue, arena)
  const open = new Set<GpuSlab>()
  let isStep = false
  /** What was asked for since the last `sync`. */
  const wanted: RowRange[] = []
  /** What recorded uploads read: nobody may change or free it before they are carried out. */
  const kept: Int32Array[] = []

  const opened = (slab: Slab): GpuSlab => {
    if (!open.has(slab as GpuSlab)) throw new Error("gpu: this slab is not open")
    return slab as GpuSlab
  }
  const upload = (slab: GpuSlab): void => {
    const { bytes } = slab.layout
    slab.buffer = queue.createBuffer(bytes)
    slab.generation = queue.generation
    queue.write(slab.buffer, arena.address(slab.span), bytes)
  }
  /** Returns a slab's buffer on the device that is open now. */
  const bufferOf = (slab: Slab): number => {
    const own = opened(slab)
    if (own.generation !== queue.generation) upload(own)
    return own.buffer
  }
  const uploadIds = (ids: Int32Array, numIds: number): number => {
    const buffer = scratch.take("lookUp", numIds * 4)
    const copy = ids.slice(0, numIds)
    kept.push(copy)
    queue.write(buffer, ptr(copy), numIds * 4)
    return buffer
  }
  /** Has all that was recorded carried out. @throws StateLostError where the device is lost with what only it had */
  const run = (): void => {
    try {
      queue.run()
    } catch (error) {
      if (!queue.isLost) throw error
      // The step ends with it: what is called next stands by itself.
      isStep = false
      wanted.length = 0
      throw stateLost(error)
    } finally {
      kept.length = 0
    }
  }
  /** Returns what to throw for a lost device. */
  const stateLost = (cause: unknown): unknown => {
    if (!rows.hasState) return cause
    rows.forget()
    return new StateLostError((cause as Error).message, { cause })
  }
  /** Opens the device anew where it was lost. */
  const begin = (): void => {
    const { generation } = queue
    queue.begin()
    if (queue.generation === generation) return
    const { hasState } = rows
    rows.forget()
    if (hasState) throw new StateLostError("gpu: the device was lost, and with it keys and values")
  }
  /** Records an operation. Outside of a step it is carried out, and the rows that it wrote are read back. */
  const call = (record: () => void, ...written: readonly RowRange[]): void => {
    if (!isStep) begin()
    record()
    if (isStep) return
    for (const { rows: of, firstRow, numRows } of written) rows.read(of, firstRow, numRows)
    run()
    rows.settle()
  }

  const readWanted = (): void => {
    for (const { rows: of, firstRow, numRows } of wanted.splice(0)) rows.read(of, firstRow, numRows)
  }
  const sync = (): void => {
    readWanted()
    run()
  }

  return {
    name: "gpu",
    arena,
    cacheFormats: ["f32"],
    get adapter() {
      return queue.adapter
    },
    deviceMemory() {
      if (queue.isLost) return { numBuffers: 0, bytes: 0 }
      const slabs = [...open].filter(({ generation }) => generation === queue.generation)
      const bytes = slabs.reduce((sum, { layout }) => sum + layout.bytes, scratch.bytes + constants.bytes + rows.bytes)
      return { numBuffers: queue.numBuffers, bytes }
    },
    supports: (op) => OPS.has(op),
    openSlab(span, layout) {
      const { maxBufferBytes } = queue.adapter
      if (span.bytes < layout.bytes)
        throw new Error(`gpu: a slab of ${layout.bytes} bytes does not fit a span of ${span.bytes}`)
      if (layout.bytes > maxBufferBytes)
        throw new Error(`gpu: a slab of ${layout.bytes} bytes is larger than the adapter's buffers, ${maxBufferBytes}`)
      const slab: GpuSlab = { backend: "gpu", layout, readsArena: true, span, buffer: -1, generation: 0 }
      if (!isStep) begin()
      upload(slab)
      if (!isStep) run()
      open.add(slab)
      return slab
    },
    numBytes: ({ layout }) => 2 * layout.bytes,
    closeSlab(slab) {
      const { buffer, generation } = opened(slab)
      open.delete(slab as GpuSlab)
      if (generation !== queue.generation || queue.isLost) return
      queue.destroyBuffer(buffer)
      if (!isStep) run()
    },
    embed(out, ids, numIds, slab) {
      const { format, numRows, numColumns, values, groupStride, scales = 0, paddedColumns } = matrixOf(slab)
      for (let i = 0; i < numIds; i++)
        if (!(ids[i]! >= 0 && ids[i]! < numRows)) throw new Error(`embed: id ${ids[i]} is outside the ${numRows} rows`)
      if (numIds === 0) return
      const kind = { source: { kind: "weights", format }, target: "f32", isRotated: isRotated(format) } as const
      const parameters = [numColumns, numColumns, values / 4, groupStride / 4, scales / 4, paddedColumns]
      call(
        () =>
          queue.dispatch(kernels.rows(kind), [numIds, 1], parameters, [
            bufferOf(slab),
            uploadIds(ids, numIds),
            rows.output(out),
          ]),
        { rows: out, firstRow: 0, numRows: numIds },
      )
    },
    matmul(out, x, numRows, slab) {
      const matrix = matrixOf(slab)
      checkWidths("matmul", out, matrix.numRows, x, matrix.numColumns)
      if (numRows === 0) return
      call(
        () => {
          const source = [rows.input(x, numRows)]
          const ready = readyRows(context, ["rows", "scales"], { kind: "rows" }, source, numRows, matrix)
          const range = { firstX: 0, firstOut: 0, numRows }
          multiplyRows(context, rows.output(out), ready, bufferOf(slab), matrix, range)
        },
        { rows: out, firstRow: 0, numRows },
      )
    },
    expert(out, x, firstRow, numRows, slab) {
      const layout = expertOf(slab)
      checkWidths("expert", out, layout.downProj.numRows, x, layout.upProj.numColumns)
      if (numRows === 0) return
      const end = firstRow + numRows
      call(
        () => {
          const runs = [{ slab: bufferOf(slab), firstRow, numRows }]
          const counts = { numRows: end, numOutputs: end }
          const target = firstRow === 0 ? rows.output(out) : rows.update(out, end)
          runExperts(context, layout, target, rows.input(x, end), undefined, counts, runs)
        },
        { rows: out, firstRow, numRows },
      )
    },
    experts(outputs, x, plan, slabs) {
      const present = slabs.flatMap((slab, e) => {
        const numRows = plan.offsets[e + 1]! - plan.offsets[e]!
        return slab === undefined || numRows === 0 ? [] : [{ slab, firstRow: plan.offsets[e]!, numRows }]
      })
      if (present.length === 0) return
      const layout = expertOf(present[0]!.slab)
      checkWidths("experts", outputs, layout.downProj.numRows, x, layout.upProj.numColumns)
      const { numTokens } = plan
      const numOutputs = plan.offsets[slabs.length]!
      call(
        () => {
          const runs: ExpertRun[] = present.map((run) => ({ ...run, slab: bufferOf(run.slab) }))
          const lookUp = uploadIds(tokensOf(plan, numOutputs), numOutputs)
          const target = rows.update(outputs, numOutputs)
          runExperts(
            context,
            layout,
            target,
            rows.input(x, numTokens),
            lookUp,
            { numRows: numTokens, numOutputs },
            runs,
          )
        },
        ...present.map(({ firstRow, numRows }) => ({ rows: outputs, firstRow, numRows })),
      )
    },
    combine: combineRows,
    attend(out, qkv, slots, layer) {
      checkHeadDim(layer.headDim)
      const present = slots.filter(({ numRows }) => numRows > 0)
      if (present.length === 0) return
      const end = Math.max(...present.map(({ firstRow, numRows }) => firstRow + numRows))
      call(
        () => {
          const onDevice = present.map((slot) => ({
            ...slot,
            keys: rows.state(slot.keys, slot.pastLength > 0),
            values: rows.state(slot.values, slot.pastLength > 0),
          }))
          attendRows(context, rows.output(out), rows.update(qkv, end), onDevice, layer)
        },
        ...present.flatMap((slot) => attendedRanges(out, qkv, slot, layer)),
      )
    },
    norm(out, x, numRows, weight, epsilon) {
      if (numRows === 0) return
      call(
        () => {
          const source = rows.input(x, numRows)
          normRows(context, rows.output(out), source, numRows, weight, epsilon)
        },
        { rows: out, firstRow: 0, numRows },
      )
    },
    addScaled(out, x, numRows, factors) {
      if (numRows === 0) return
      call(
        () => {
          const scales = factors && scratch.take("factors", numRows * 4)
          if (scales !== undefined) queue.write(scales, ptr(factors!), numRows * 4)
          addScaledRows(context, rows.update(out, numRows), rows.input(x, numRows), numRows, out.width, scales)
        },
        { rows: out, firstRow: 0, numRows },
      )
    },
    beginStep() {
      isStep = false
      begin()
      rows.settle()
      isStep = true
    },
    read: (of, numRows) => void wanted.push({ rows: of, firstRow: 0, numRows }),
    submit() {
      readWanted()
      queue.submit()
    },
    sync,
    wrote: rows.wrote,
    endStep() {
      sync()
      rows.settle()
      isStep = false
    },
    ...(options.timesKernels === true && { kernelMs: () => queue.kernelMs }),
    endHost() {
      queue.lose()
      return true
    },
    close() {
      open.clear()
      queue.close()
    },
  }
}

function expertOf({ layout }: Slab): Extract<SlabLayout, { kind: "expert" }> {
  if (layout.kind !== "expert") throw new Error("gpu: expected an expert slab, found a matrix")
  return layout
}

/** The token of each row of the outputs. */
function tokensOf({ order, topK }: ExpertRows, numRows: number): Int32Array {
  return order.subarray(0, numRows).map((assignment) => Math.floor(assignment / topK))
}

/** What `attend` writes of one slot: its rows, and their keys and values. */
function attendedRanges(
  out: Rows,
  qkv: Rows,
  { firstRow, numRows, keys, values, capacity, pastLength }: SlotRows,
  { numKvHeads }: AttentionLayer,
): RowRange[] {
  const ranges: RowRange[] = [out, qkv].map((rows) => ({ rows, firstRow, numRows }))
  for (let head = 0; head < numKvHeads; head++) {
    const from = head * capacity + pastLength
    for (const rows of [keys, values]) ranges.push({ rows, firstRow: from, numRows })
  }
  return ranges
}
