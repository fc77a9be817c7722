/**
 * The backend on WebGPU: products, experts and the embedding on whatever GPU the system has a driver for.
 *
 * Slabs are uploaded as they are packed and unpacked in the kernels. A call uploads its rows, runs its kernels and reads its results back, in one submission.
 * Attention, norms and sums are left to the next backend: their rows and caches lie in the arena, and the way there and back costs more than they do.
 */
import { ptr } from "bun:ffi"
import {
  type Arena,
  type Backend,
  checkWidths,
  type ExpertRows,
  isRotated,
  matrixOf,
  type Op,
  type Rows,
  type Slab,
  type SlabLayout,
} from "@consilium/kernels"
import { createGpuKernels } from "./GpuKernels.ts"
import { openGpuQueue } from "./GpuQueue.ts"
import { createGpuScratch } from "./GpuScratch.ts"
import type { GpuSlab } from "./GpuSlab.ts"
import type { GpuAdapterInfo } from "./openDevice.ts"
import { combineRows } from "./combineRows.ts"
import { type ExpertRun, type GpuContext, multiplyRows, readyRows, runExperts } from "./runRows.ts"

const OPS: ReadonlySet<Op> = new Set(["embed", "matmul", "expert", "experts", "combine"])

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
export function createGpuBackend(arena: Arena): GpuBackend {
  const queue = openGpuQueue()
  const kernels = createGpuKernels(queue)
  const scratch = createGpuScratch(queue)
  const context: GpuContext = { queue, kernels, scratch }
  const open = new Set<GpuSlab>()

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
  const uploadRows = (x: Rows, firstRow: number, numRows: number): number => {
    const bytes = numRows * x.width * 4
    const buffer = scratch.take("x", bytes)
    queue.write(buffer, arena.address(x.span) + firstRow * x.width * 4, bytes)
    return buffer
  }
  const uploadIds = (ids: Int32Array, numIds: number): number => {
    const buffer = scratch.take("lookUp", numIds * 4)
    queue.write(buffer, ptr(ids), numIds * 4)
    return buffer
  }
  const readRows = (out: Rows, buffer: number, from: number, to: number, numRows: number): void => {
    const rowBytes = out.width * 4
    queue.read(buffer, from * rowBytes, arena.address(out.span) + to * rowBytes, numRows * rowBytes)
  }

  return {
    name: "gpu",
    arena,
    cacheFormats: [],
    get adapter() {
      return queue.adapter
    },
    deviceMemory() {
      if (queue.isLost) return { numBuffers: 0, bytes: 0 }
      const slabs = [...open].filter(({ generation }) => generation === queue.generation)
      const bytes = slabs.reduce((sum, { layout }) => sum + layout.bytes, scratch.bytes)
      return { numBuffers: queue.numBuffers, bytes }
    },
    supports: (op) => OPS.has(op),
    openSlab(span, layout) {
      const { maxBufferBytes } = queue.adapter
      if (span.bytes < layout.bytes)
        throw new Error(`gpu: a slab of ${layout.bytes} bytes does not fit a span of ${span.bytes}`)
      if (layout.bytes > maxBufferBytes)
        throw new Error(`gpu: a slab of ${layout.bytes} bytes is larger than the adapter's buffers, ${maxBufferBytes}`)
      queue.begin()
      const slab: GpuSlab = { backend: "gpu", layout, readsArena: true, span, buffer: -1, generation: 0 }
      upload(slab)
      queue.run()
      open.add(slab)
      return slab
    },
    numBytes: ({ layout }) => 2 * layout.bytes,
    closeSlab(slab) {
      const { buffer, generation } = opened(slab)
      open.delete(slab as GpuSlab)
      if (generation !== queue.generation || queue.isLost) return
      queue.begin()
      queue.destroyBuffer(buffer)
      queue.run()
    },
    embed(out, ids, numIds, slab) {
      const { format, numRows, numColumns, values, groupStride, scales = 0, paddedColumns } = matrixOf(slab)
      for (let i = 0; i < numIds; i++)
        if (!(ids[i]! >= 0 && ids[i]! < numRows)) throw new Error(`embed: id ${ids[i]} is outside the ${numRows} rows`)
      if (numIds === 0) return
      queue.begin()
      const weights = bufferOf(slab)
      const lookUp = uploadIds(ids, numIds)
      const buffer = scratch.take("out", numIds * numColumns * 4)
      const kernel = kernels.rows({ source: { kind: "weights", format }, target: "f32", isRotated: isRotated(format) })
      const parameters = [numColumns, numColumns, values / 4, groupStride / 4, scales / 4, paddedColumns]
      queue.dispatch(kernel, [numIds, 1], parameters, [weights, lookUp, buffer])
      readRows(out, buffer, 0, 0, numIds)
      queue.run()
    },
    matmul(out, x, numRows, slab) {
      const matrix = matrixOf(slab)
      checkWidths("matmul", out, matrix.numRows, x, matrix.numColumns)
      if (numRows === 0) return
      queue.begin()
      const weights = bufferOf(slab)
      const ready = readyRows(
        context,
        ["rows", "scales"],
        { kind: "rows" },
        [uploadRows(x, 0, numRows)],
        numRows,
        matrix,
      )
      const buffer = scratch.take("out", numRows * matrix.numRows * 4)
      multiplyRows(context, buffer, ready, weights, matrix, { firstX: 0, firstOut: 0, numRows })
      readRows(out, buffer, 0, 0, numRows)
      queue.run()
    },
    expert(out, x, firstRow, numRows, slab) {
      const layout = expertOf(slab)
      checkWidths("expert", out, layout.downProj.numRows, x, layout.upProj.numColumns)
      if (numRows === 0) return
      queue.begin()
      const runs = [{ slab: bufferOf(slab), firstRow: 0, numRows }]
      const counts = { numRows, numOutputs: numRows }
      const buffer = runExperts(context, layout, uploadRows(x, firstRow, numRows), undefined, counts, runs)
      readRows(out, buffer, 0, firstRow, numRows)
      queue.run()
    },
    experts(outputs, x, plan, slabs) {
      queue.begin()
      const present = slabs.flatMap((slab, e) => {
        const numRows = plan.offsets[e + 1]! - plan.offsets[e]!
        return slab === undefined || numRows === 0 ? [] : [{ slab, firstRow: plan.offsets[e]!, numRows }]
      })
      if (present.length === 0) return
      const layout = expertOf(present[0]!.slab)
      checkWidths("experts", outputs, layout.downProj.numRows, x, layout.upProj.numColumns)
      const runs: ExpertRun[] = present.map((run) => ({ ...run, slab: bufferOf(run.slab) }))
      const numOutputs = plan.order.length
      const tokens = tokensOf(plan)
      const lookUp = uploadIds(tokens, numOutputs)
      const counts = { numRows: plan.numTokens, numOutputs }
      const buffer = runExperts(context, layout, uploadRows(x, 0, plan.numTokens), lookUp, counts, runs)
      for (const { firstRow, numRows } of runs) readRows(outputs, buffer, firstRow, firstRow, numRows)
      queue.run()
    },
    combine: combineRows,
    attend: () => refuse("attend"),
    norm: () => refuse("norm"),
    addScaled: () => refuse("addScaled"),
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
function tokensOf({ order, topK }: ExpertRows): Int32Array {
  return order.map((assignment) => Math.floor(assignment / topK))
}

function refuse(op: Op): never {
  throw new Error(`gpu: ${op} is not supported: it goes to the next backend`)
}
