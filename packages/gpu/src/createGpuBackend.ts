/**
 * The backend on WebGPU: on whatever GPU the system has a driver for.
 *
 * Slabs are uploaded as they are packed and unpacked in the kernels. A call by itself uploads its rows, runs its kernels and reads its results back, in one submission; calls of
 * a step are recorded, and rows stay on the device until they are asked for.
 */
import { type Arena, checkWidths, matrixOf, type Op, PLAIN_OPS, StateLostError } from "@consilium/kernels"
import { checkRouted } from "./checkRouted.ts"
import { attendedRanges, type RowRange } from "./attendedRanges.ts"
import { attendRows, slotsOf } from "./attendRows.ts"
import { createDeviceRows } from "./DeviceRows.ts"
import { embedRows } from "./embedRows.ts"
import { expertOf } from "./expertOf.ts"
import type { GpuBackend } from "./GpuBackend.ts"
import { createGpuConstants } from "./GpuConstants.ts"
import { createGpuKernels } from "./GpuKernels.ts"
import { type GpuQueueOptions, openGpuQueue } from "./GpuQueue.ts"
import { createGpuScratch } from "./GpuScratch.ts"
import { createGpuSlabs } from "./GpuSlabs.ts"
import { combinePlan } from "./combinePlan.ts"
import { combineRows } from "./combineRows.ts"
import { createPendingRows } from "./PendingRows.ts"
import { routedExperts } from "./routedExperts.ts"
import { shortlistRows } from "./shortlistRows.ts"
import { runPlan } from "./runPlan.ts"
import { type GpuContext, multiplyRows, READY, readyRows, runExperts } from "./runRows.ts"

const OPS: ReadonlySet<Op> = new Set([
  ...PLAIN_OPS,
  ...(["experts", "routedExperts", "combine", "shortlist", "copyRows"] as const),
])

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
  const slabs = createGpuSlabs(queue, arena)
  const pending = createPendingRows(queue, kernels, constants)
  const context: GpuContext = { queue, kernels, scratch, constants, slabs, pending }
  const rows = createDeviceRows(queue, arena, scratch)
  let [isStep, generation] = [false, queue.generation]
  /** What was asked for since the last `sync`. */
  const wanted: RowRange[] = []

  /** What is called next stands by itself. */
  const leaveStep = (): void => {
    isStep = false
    pending.forget()
    wanted.length = 0
  }
  /** Does what may find the device lost: a step ends with it. @throws StateLostError where it is lost with what only it had */
  const guard = <T>(act: () => T): T => {
    try {
      return act()
    } catch (error) {
      if (!queue.isLost) throw error
      leaveStep()
      if (!rows.hasState) throw error
      rows.forget()
      throw new StateLostError((error as Error).message, { cause: error })
    }
  }
  const run = (): void => guard(queue.run)
  /** Opens the device anew where it was lost. */
  const begin = (): void => {
    guard(queue.begin)
    if (queue.generation === generation) return
    generation = queue.generation
    const { hasState } = rows
    rows.forget()
    if (hasState) throw new StateLostError("gpu: the device was lost, and with it keys and values")
  }
  /** Records an operation that may go on from what is pending. Outside of a step it is carried out, and the rows that it wrote are read back. */
  const goOn = (record: () => void, ...written: readonly RowRange[]): void => {
    if (!isStep) begin()
    guard(record)
    if (isStep) return
    guard(pending.flush)
    for (const { rows: of, firstRow, numRows } of written) rows.read(of, firstRow, numRows)
    run()
    rows.settle()
  }

  /** The same of one that stands by itself. */
  const call = (record: () => void, ...written: readonly RowRange[]): void =>
    goOn(
      () => {
        pending.flush()
        record()
      },
      ...written,
    )

  const readWanted = (): void => {
    guard(pending.flush)
    for (const { rows: of, firstRow, numRows } of wanted.splice(0)) rows.read(of, firstRow, numRows)
  }
  const sync = (): void => {
    readWanted()
    run()
  }

  return {
    name: "gpu",
    arena,
    cacheFormats: ["bf16/16", "bf16/8", "f32"],
    get adapter() {
      return queue.adapter
    },
    deviceMemory() {
      if (queue.isLost) return { numBuffers: 0, slabBytes: 0, bytes: 0 }
      const slabBytes = slabs.bytes
      return {
        numBuffers: queue.numBuffers,
        slabBytes,
        bytes: slabBytes + scratch.bytes + constants.bytes + rows.bytes,
      }
    },
    tryOpen: queue.tryOpen,
    numFreePlaces: (slabBytes) => (queue.isLost ? 0 : slabs.numFree(slabBytes)),
    supports: (op) => OPS.has(op),
    openSlab(span, layout) {
      if (!isStep) begin()
      const slab = guard(() => slabs.open(span, layout))
      if (isStep) return slab
      try {
        run()
      } catch (error) {
        slabs.close(slab)
        throw error
      }
      return slab
    },
    numBytes: ({ layout }) => 2 * layout.bytes,
    closeSlab(slab) {
      slabs.close(slab)
      if (!isStep && !queue.isLost) run()
    },
    embed(out, ids, numIds, slab) {
      const { numRows } = matrixOf(slab)
      for (let i = 0; i < numIds; i++)
        if (!(ids[i]! >= 0 && ids[i]! < numRows)) throw new Error(`embed: id ${ids[i]} is outside the ${numRows} rows`)
      if (numIds === 0) return
      call(() => embedRows(context, rows.output(out), ids.subarray(0, numIds), slab), {
        rows: out,
        firstRow: 0,
        numRows: numIds,
      })
    },
    matmul(out, x, numRows, slab) {
      const matrix = matrixOf(slab)
      checkWidths("matmul", out, matrix.numRows, x, matrix.numColumns)
      if (numRows === 0) return
      goOn(
        () => {
          const place = slabs.placeOf(slab)
          const source = rows.input(x, numRows)
          const ready = readyRows(context, READY, { kind: "rows" }, source, numRows, matrix)
          multiplyRows(context, rows.output(out), ready, [matrix], { kind: "slab", place, firstRow: 0, numRows })
        },
        { rows: out, firstRow: 0, numRows },
      )
    },
    expert(out, x, firstRow, numRows, slab) {
      const layout = expertOf(slab)
      checkWidths("expert", out, layout.downProj.numRows, x, layout.upProj.numColumns)
      if (numRows === 0) return
      const end = firstRow + numRows
      goOn(
        () => {
          const place = slabs.placeOf(slab)
          const target = firstRow === 0 ? rows.output(out) : rows.update(out, end)
          const source = rows.input(x, end)
          const ready = readyRows(context, READY, { kind: "rows" }, source, end, layout.upProj)
          runExperts(context, target, ready, layout, { kind: "slab", place, firstRow, numRows: end })
        },
        { rows: out, firstRow, numRows },
      )
    },
    experts(outputs, x, plan, planned) {
      const { offsets, numTokens } = plan
      const present = planned.map((slab, e) => (offsets[e] === offsets[e + 1] ? undefined : slab))
      const any = present.find((slab) => slab !== undefined)
      if (any === undefined) return
      const layout = expertOf(any)
      checkWidths("experts", outputs, layout.downProj.numRows, x, layout.upProj.numColumns)
      const written = present.flatMap((slab, e) =>
        slab === undefined ? [] : [{ rows: outputs, firstRow: offsets[e]!, numRows: offsets[e + 1]! - offsets[e]! }],
      )
      goOn(
        () => {
          const target = rows.update(outputs, offsets[planned.length]!)
          runPlan(context, target, rows.input(x, numTokens), layout, plan, present)
        },
        ...written,
      )
    },
    combine(out, outputs, plan) {
      // Else both lie in the arena.
      if (!isStep) return combineRows(out, outputs, plan)
      if (plan.numTokens === 0) return
      const numRows = plan.offsets.at(-1)!
      call(() => combinePlan(context, rows.output(out), rows.input(outputs, numRows), plan, out.width))
    },
    routedExperts(out, routing, logits, x, numRows, layer) {
      checkRouted(out, routing, logits, x, layer)
      if (numRows === 0) return
      goOn(
        () => {
          const outputs = { out: rows.output(out), routing: rows.output(routing), logits: rows.output(logits) }
          routedExperts(context, outputs, rows.input(x, numRows), numRows, layer)
        },
        ...[out, routing, logits].map((of) => ({ rows: of, firstRow: 0, numRows })),
      )
    },
    copyRows(to, toRow, from, fromRow, numRows) {
      if (numRows === 0) return
      // Keys and values that the arena has are copied there too: it counts again after the step.
      const written = rows.isNewer(from) ? [] : [{ rows: to, firstRow: toRow, numRows }]
      call(() => rows.copy(to, toRow, from, fromRow, numRows), ...written)
      if (isStep) wanted.push(...written)
    },
    shortlist(out, logits, numRows) {
      if (numRows === 0) return
      call(
        () => {
          shortlistRows(context, rows.output(out), rows.input(logits, numRows), numRows, logits.width, out.width / 2)
        },
        { rows: out, firstRow: 0, numRows },
      )
    },
    attend(out, qkv, slots, layer) {
      const present = slots.filter(({ numRows }) => numRows > 0)
      if (present.length === 0) return
      const end = Math.max(...present.map(({ firstRow, numRows }) => firstRow + numRows))
      call(
        () => attendRows(context, rows.output(out), rows.update(qkv, end), slotsOf(rows, present), layer),
        ...present.flatMap((slot) => attendedRanges(out, qkv, slot, layer)),
      )
    },
    norm(out, x, numRows, weight, epsilon) {
      if (numRows === 0) return
      goOn(
        () => {
          const source = rows.input(x, numRows)
          pending.norm({ out: rows.output(out), x: source, numRows, weight, epsilon })
        },
        { rows: out, firstRow: 0, numRows },
      )
    },
    addScaled(out, x, numRows, factors) {
      if (numRows === 0) return
      goOn(
        () => {
          const scales = factors && scratch.take("factors", numRows * 4)
          if (scales !== undefined) queue.writeValues(scales, factors!.subarray(0, numRows))
          const [target, source] = [rows.update(out, numRows), rows.input(x, numRows)]
          pending.add({ out: target, x: source, numRows, width: out.width, factors: scales })
        },
        { rows: out, firstRow: 0, numRows },
      )
    },
    beginStep() {
      leaveStep()
      begin()
      rows.settle()
      isStep = true
    },
    read: (of, numRows) => void wanted.push({ rows: of, firstRow: 0, numRows }),
    submit() {
      readWanted()
      guard(queue.submit)
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
      leaveStep()
      queue.lose()
      return true
    },
    close() {
      slabs.clear()
      queue.close()
    },
  }
}
