/** The steps of a product and of experts, as commands of the queue: rows are made ready, multiplied, activated, multiplied again. */
import { expertActivation, type ExpertActivation, type MatrixLayout, type SlabLayout } from "@consilium/kernels"
import type { GpuConstants } from "./GpuConstants.ts"
import type { GpuHeap, HeapPlace } from "./GpuHeaps.ts"
import type { GpuKernels } from "./GpuKernels.ts"
import type { BufferId, GpuQueue } from "./GpuQueue.ts"
import type { GpuScratch, ScratchName } from "./GpuScratch.ts"
import type { GpuSlabs } from "./GpuSlabs.ts"
import type { PendingRows } from "./PendingRows.ts"
import { type Tile, tileFor } from "./ProductKind.ts"
import { productGrid, type ProductMatrices, productParameters, type ProductPart } from "./productShape.ts"
import { rowsFor, type RowSource } from "./rowsKernel.ts"

/** What steps are put together from. */
export interface GpuContext {
  readonly queue: GpuQueue
  readonly kernels: GpuKernels
  readonly scratch: GpuScratch
  readonly constants: GpuConstants
  readonly slabs: GpuSlabs
  readonly pending: PendingRows
}

/** Rows that a product reads. */
export interface ReadyRows {
  readonly values: BufferId
  /** Undefined in f32. */
  readonly scales: BufferId | undefined
}

/** Where rows that a product reads are kept. */
export type ReadyNames = readonly [values: ScratchName, scales: ScratchName]

/** Where rows of a call's x are. */
export const READY: ReadyNames = ["rows", "scales"]

/** Rows of x, and of out, that are multiplied with one slab: `firstRow .. numRows` of both. */
export interface SlabRows {
  readonly kind: "slab"
  readonly place: HeapPlace
  readonly firstRow: number
  readonly numRows: number
}

/** Rows that are multiplied with many slabs of one layout: a list of tiles `[numTiles, 4]`, by heaps. */
export interface TiledRows {
  readonly kind: "tiles"
  readonly tiles: BufferId
  readonly tile: Tile
  /** A dispatch each: it passes over tiles of other heaps. */
  readonly parts: readonly { readonly heap: GpuHeap; readonly firstTile: number; readonly numTiles: number }[]
  /** The row of x of each row of the first product. */
  readonly lookUp: BufferId
  /** Rows of the outputs. */
  readonly numRows: number
}

export type ExpertLayout = Extract<SlabLayout, { kind: "expert" }>

/** Makes `numRows` rows ready for a product with `matrix`, in one kernel with their norm where that is pending. */
export function readyRows(
  { queue, kernels, scratch, pending }: GpuContext,
  [valuesName, scalesName]: ReadyNames,
  source: RowSource,
  input: BufferId,
  numRows: number,
  { format, numColumns, paddedColumns }: MatrixLayout,
): ReadyRows {
  const kind = rowsFor(format, source)
  const isQuantized = kind.target === "int8"
  if (source.kind === "rows" && !isQuantized && numColumns === paddedColumns) {
    pending.flush()
    return { values: input, scales: undefined }
  }
  const values = scratch.take(valuesName, numRows * paddedColumns * (isQuantized ? 1 : 4))
  const scales = isQuantized ? scratch.take(scalesName, numRows * 4) : undefined
  const between = scales === undefined ? [] : [scales, scratch.take("wide", numRows * paddedColumns * 4)]
  const buffers = [values, ...between]
  if (source.kind === "rows" && pending.fuse(input, numRows, { ...kind, stride: paddedColumns, buffers }))
    return { values, scales }
  pending.flush()
  queue.dispatch(kernels.rows(kind), [numRows, 1], [numColumns, paddedColumns, 0, 0, 0, 0, 0], [input, ...buffers])
  return { values, scales }
}

/** Multiplies rows with a matrix of each slab, or two whose groups take turns, to rows of `out`. */
export function multiplyRows(
  { queue, kernels }: GpuContext,
  out: BufferId,
  { values, scales }: ReadyRows,
  matrices: ProductMatrices,
  rows: SlabRows | TiledRows,
  lookUp?: BufferId,
): void {
  const isGrouped = rows.kind === "tiles"
  const { format } = matrices[0]
  const tile = isGrouped ? rows.tile : tileFor(format, rows.numRows - rows.firstRow)
  const kernel = kernels.product({
    format,
    tile,
    isPaired: matrices.length === 2,
    isGrouped,
    isGathered: lookUp !== undefined,
  })
  const optional = [scales, isGrouped ? rows.tiles : undefined, lookUp].filter((buffer) => buffer !== undefined)
  const multiply = ({ buffer }: GpuHeap, part: ProductPart): void => {
    const buffers = [buffer, values, ...optional, out]
    queue.dispatch(kernel, productGrid(matrices, tile, part), productParameters(matrices, part), buffers)
  }
  if (!isGrouped) {
    const { place, firstRow, numRows } = rows
    return multiply(place.heap, { kind: "rows", word: place.word, firstRow, numRows: numRows - firstRow })
  }
  for (const { heap, firstTile, numTiles } of rows.parts)
    multiply(heap, { kind: "tiles", heapId: heap.id, firstTile, numTiles })
}

/**
 * Runs experts of one layout over rows that are ready for their first product, to rows of `out`.
 *
 * @param out `[numRows, hiddenSize]`
 */
export function runExperts(
  context: GpuContext,
  out: BufferId,
  ready: ReadyRows,
  { activation, gateProj, upProj, downProj }: ExpertLayout,
  rows: SlabRows | TiledRows,
): void {
  const { numRows } = rows
  const matrices: ProductMatrices = gateProj === undefined ? [upProj] : [gateProj, upProj]
  const inner = context.scratch.take("inner", numRows * matrices.length * upProj.numRows * 4)
  multiplyRows(context, inner, ready, matrices, rows, rows.kind === "tiles" ? rows.lookUp : undefined)
  const of: ExpertActivation = expertActivation(activation, gateProj !== undefined)
  const names: ReadyNames = ["innerRows", "innerScales"]
  const activated = readyRows(context, names, { kind: "activation", of }, inner, numRows, downProj)
  multiplyRows(context, out, activated, [downProj], rows)
}
