/**
 * A layer of experts as commands of the queue, the router too: nothing comes back to this process between the token's row and its sum.
 *
 *     router product → top-k → plan → run experts → combine (+ shared expert)
 */
import { matrixOf, type RoutedLayer } from "@consilium/kernels"
import type { CombineKind } from "./combineKernel.ts"
import { expertOf } from "./expertOf.ts"
import type { GpuHeap } from "./GpuHeaps.ts"
import type { BufferId } from "./GpuQueue.ts"
import { mostTiles, planParameters, type PlanShape } from "./planKernel.ts"
import { tileForExperts } from "./ProductKind.ts"
import {
  type GpuContext,
  multiplyRows,
  READY,
  type ReadyNames,
  readyRows,
  runExperts,
  type TiledRows,
} from "./runRows.ts"
import { topKFor, topKParameters } from "./topKKernel.ts"

/** Where the router's rows are, if they are not those of its experts. */
const ROUTED: ReadyNames = ["routerRows", "routerScales"]

/** What a layer writes. */
export interface RoutedOutputs {
  /** `[T, H]` */
  readonly out: BufferId
  /** `[T, 3K]` */
  readonly routing: BufferId
  /** `[T, E]` */
  readonly logits: BufferId
}

/**
 * Routes rows `0 .. numTokens` of x and runs the layer.
 *
 * A row whose logits hold a NaN or +Infinity visits the first experts, with weights of NaN: its output is NaN.
 *
 * @param x `[T, H]`
 */
export function routedExperts(
  context: GpuContext,
  { out, routing, logits }: RoutedOutputs,
  x: BufferId,
  numTokens: number,
  layer: RoutedLayer,
): void {
  const { queue, kernels, constants, scratch } = context
  const { router, slabs, topK, sharedExpert } = layer
  // All are placed before any is read: a heap that grows is another buffer.
  const routerPlace = context.slabs.placeOf(router)
  const places = context.slabs.tableOf(slabs)
  const sharedPlace = sharedExpert === undefined ? undefined : context.slabs.placeOf(sharedExpert.slab)

  const layout = expertOf(slabs[0]!)
  const matrix = matrixOf(router)
  const rows = { kind: "slab", place: routerPlace, firstRow: 0, numRows: numTokens } as const
  // The experts' come first: a norm that is pending is one kernel with them.
  const ready = readyRows(context, READY, { kind: "rows" }, x, numTokens, layout.upProj)
  const isSame = matrix.format === layout.upProj.format
  const routed = isSame ? ready : readyRows(context, ROUTED, { kind: "rows" }, x, numTokens, matrix)
  multiplyRows(context, logits, routed, [matrix], rows)
  const width = layout.downProj.numRows
  const numAssignments = numTokens * topK
  const rowOf = scratch.take("outputRows", numAssignments * 4)
  const tiled = planRows(context, layer, numTokens, { logits, routing, rowOf, places })
  const outputs = scratch.take("outputs", numAssignments * width * 4)
  runExperts(context, outputs, ready, layout, tiled)

  const shared: BufferId[] = []
  if (sharedExpert !== undefined) {
    const sharedLayout = expertOf(sharedExpert.slab)
    const sharedOut = scratch.take("shared", numTokens * width * 4)
    const all = { ...rows, place: sharedPlace! }
    const isLike = sharedLayout.format === layout.format
    const own = isLike ? ready : readyRows(context, READY, { kind: "rows" }, x, numTokens, sharedLayout.upProj)
    runExperts(context, sharedOut, own, sharedLayout, all)
    shared.push(sharedOut, ...(sharedExpert.gate === undefined ? [] : [constants.take(sharedExpert.gate), x]))
  }
  const kernel = kernels.combine({ topK, sharedExpert: kindOf(sharedExpert) })
  queue.dispatch(kernel, [numTokens, 1], [width], [outputs, rowOf, routing, ...shared, out])
}

/** Routes, and plans the experts' rows on the device, to `rowOf` and the list of tiles that it returns. */
function planRows(
  { queue, kernels, scratch, slabs: { placeOf } }: GpuContext,
  layer: RoutedLayer,
  numTokens: number,
  { logits, routing, rowOf, places }: Readonly<Record<"logits" | "routing" | "rowOf" | "places", BufferId>>,
): TiledRows {
  const { slabs, topK } = layer
  const numExperts = slabs.length
  const numRows = numTokens * topK
  const tile = tileForExperts(slabs[0]!.layout.format, numTokens, numRows / numExperts)
  const shape: PlanShape = { numTokens, topK, numExperts, tile }
  const numTiles = mostTiles(shape)
  const tiles = scratch.take("tiles", numTiles * 16)
  const lookUp = scratch.take("lookUp", numRows * 4)
  const kind = topKFor(layer, numTokens)
  const planned = [places, rowOf, lookUp, tiles]
  const routed = [logits, routing, ...(kind.plans ? planned : [])]
  queue.dispatch(kernels.topK(kind), [numTokens, 1], topKParameters(layer), routed)
  if (!kind.plans)
    queue.dispatch(kernels.plan(numExperts), [numExperts, 1], planParameters(shape), [routing, ...planned])
  const heaps = new Set<GpuHeap>(slabs.map((slab) => placeOf(slab).heap))
  return {
    kind: "tiles",
    tiles,
    tile,
    parts: Array.from(heaps, (heap) => ({ heap, firstTile: 0, numTiles })),
    lookUp,
    numRows,
  }
}

function kindOf(sharedExpert: RoutedLayer["sharedExpert"]): CombineKind["sharedExpert"] {
  if (sharedExpert === undefined) return "none"
  return sharedExpert.gate === undefined ? "plain" : "gated"
}
