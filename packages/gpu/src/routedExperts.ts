/**
 * A layer of experts as commands of the queue, the router too: nothing comes back to this process between the token's row and its sum.
 *
 *     router product → top-k → plan → run experts → combine (+ shared expert)
 */
import { type MatrixLayout, matrixOf, type RoutedLayer } from "@consilium/kernels"
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
  type ReadyRows,
  readyRows,
  runExperts,
  type TiledRows,
} from "./runRows.ts"
import { topKFor, topKParameters } from "./topKKernel.ts"

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

  const ready = createReadyRows(context, x, numTokens)
  const matrix = matrixOf(router)
  const rows = { kind: "slab", place: routerPlace, firstRow: 0, numRows: numTokens } as const
  multiplyRows(context, logits, ready(matrix), [matrix], rows)
  queue.dispatch(kernels.topK(topKFor(layer)), [numTokens, 1], topKParameters(layer), [logits, routing])

  const layout = expertOf(slabs[0]!)
  const width = layout.downProj.numRows
  const numAssignments = numTokens * topK
  const rowOf = scratch.take("outputRows", numAssignments * 4)
  const tiled = planRows(context, layer, numTokens, routing, rowOf, places)
  const outputs = scratch.take("outputs", numAssignments * width * 4)
  runExperts(context, outputs, ready(layout.upProj), layout, tiled)

  const shared: BufferId[] = []
  if (sharedExpert !== undefined) {
    const sharedLayout = expertOf(sharedExpert.slab)
    const sharedOut = scratch.take("shared", numTokens * width * 4)
    const all = { ...rows, place: sharedPlace! }
    runExperts(context, sharedOut, ready(sharedLayout.upProj), sharedLayout, all)
    shared.push(sharedOut, ...(sharedExpert.gate === undefined ? [] : [constants.take(sharedExpert.gate), x]))
  }
  const kernel = kernels.combine({ topK, sharedExpert: kindOf(sharedExpert) })
  queue.dispatch(kernel, [numTokens, 1], [width], [outputs, rowOf, routing, ...shared, out])
}

/** Plans the experts' rows on the device, to `rowOf` and the list of tiles that it returns. */
function planRows(
  { queue, kernels, scratch, slabs: { placeOf } }: GpuContext,
  { slabs, topK }: RoutedLayer,
  numTokens: number,
  routing: BufferId,
  rowOf: BufferId,
  places: BufferId,
): TiledRows {
  const numExperts = slabs.length
  const numRows = numTokens * topK
  const tile = tileForExperts(slabs[0]!.layout.format, numTokens, numRows / numExperts)
  const shape: PlanShape = { numTokens, topK, numExperts, tile }
  const numTiles = mostTiles(shape)
  const tiles = scratch.take("tiles", numTiles * 16)
  const lookUp = scratch.take("lookUp", numRows * 4)
  const kernel = kernels.plan(numExperts)
  queue.dispatch(kernel, [numExperts, 1], planParameters(shape), [routing, places, rowOf, lookUp, tiles])
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

/** Returns what makes x ready for a matrix: anew only where it wants another form than the one before. */
function createReadyRows(context: GpuContext, x: BufferId, numRows: number): (matrix: MatrixLayout) => ReadyRows {
  let format: MatrixLayout["format"] | undefined
  let ready: ReadyRows | undefined
  return (matrix) => {
    if (format !== matrix.format || ready === undefined)
      ready = readyRows(context, READY, { kind: "rows" }, x, numRows, matrix)
    format = matrix.format
    return ready
  }
}

function kindOf(sharedExpert: RoutedLayer["sharedExpert"]): CombineKind["sharedExpert"] {
  if (sharedExpert === undefined) return "none"
  return sharedExpert.gate === undefined ? "plain" : "gated"
}
