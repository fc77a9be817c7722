import type { ExpertRows, Slab } from "@consilium/kernels"
import { expertTiles } from "./expertTiles.ts"
import type { BufferId } from "./GpuQueue.ts"
import type { ScratchName } from "./GpuScratch.ts"
import { tileForExperts } from "./ProductKind.ts"
import { type ExpertLayout, type GpuContext, READY, readyRows, runExperts } from "./runRows.ts"

/**
 * Runs the experts of a plan that the caller made, to their rows of `outputs` `[A, hiddenSize]`.
 *
 * @param slabs those that run, of one layout; rows of others stay as they are
 */
export function runPlan(
  context: GpuContext,
  outputs: BufferId,
  x: BufferId,
  layout: ExpertLayout,
  plan: ExpertRows,
  slabs: readonly (Slab | undefined)[],
): void {
  const { queue, scratch } = context
  const { numTokens, topK, order, offsets } = plan
  const numRows = offsets[slabs.length]!
  // All are placed before any is read: a heap that grows is another buffer.
  const places = slabs.map((slab) => (slab === undefined ? undefined : context.slabs.placeOf(slab)))
  const tile = tileForExperts(layout.format, numTokens, numRows / slabs.length)
  const { tiles, parts } = expertTiles(plan, places, tile)
  const upload = (name: ScratchName, values: Uint32Array | Int32Array): BufferId => {
    const buffer = scratch.take(name, values.byteLength)
    queue.writeValues(buffer, values)
    return buffer
  }
  const lookUp = upload(
    "lookUp",
    order.subarray(0, numRows).map((assignment) => Math.floor(assignment / topK)),
  )
  const rows = { kind: "tiles", tiles: upload("tiles", tiles), tile, parts, lookUp, numRows } as const
  const ready = readyRows(context, READY, { kind: "rows" }, x, numTokens, layout.upProj)
  runExperts(context, outputs, ready, layout, rows)
}
