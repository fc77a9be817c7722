/** The steps of a product and of experts, as commands of the queue: rows are made ready, multiplied, activated, multiplied again. */
import { expertActivation, type ExpertActivation, type MatrixLayout, type SlabLayout } from "@consilium/kernels"
import type { GpuConstants } from "./GpuConstants.ts"
import type { GpuKernels } from "./GpuKernels.ts"
import type { BufferId, GpuQueue } from "./GpuQueue.ts"
import type { GpuScratch, ScratchName } from "./GpuScratch.ts"
import { productGrid, productParameters, type ProductRows, tileFor } from "./productKernel.ts"
import { rowsFor, type RowSource } from "./rowsKernel.ts"

/** What steps are put together from. */
export interface GpuContext {
  readonly queue: GpuQueue
  readonly kernels: GpuKernels
  readonly scratch: GpuScratch
  readonly constants: GpuConstants
}

/** Rows that a product reads. */
interface ReadyRows {
  readonly values: BufferId
  /** Undefined in f32. */
  readonly scales: BufferId | undefined
  readonly lookUp: BufferId | undefined
}

/** Where rows that a product reads are kept. */
type ReadyNames = readonly [values: ScratchName, scales: ScratchName]

/** An expert, and its rows of a call's outputs. */
export interface ExpertRun {
  readonly slab: BufferId
  readonly firstRow: number
  readonly numRows: number
}

/** Makes `numRows` rows ready for a product with `matrix`. */
export function readyRows(
  { queue, kernels, scratch }: GpuContext,
  [valuesName, scalesName]: ReadyNames,
  source: RowSource,
  inputs: readonly BufferId[],
  numRows: number,
  { format, numColumns, paddedColumns }: MatrixLayout,
): ReadyRows {
  const kind = rowsFor(format, source)
  const isQuantized = kind.target === "int8"
  const values = scratch.take(valuesName, numRows * paddedColumns * (isQuantized ? 1 : 4))
  const scales = isQuantized ? scratch.take(scalesName, numRows * 4) : undefined
  const between = scales === undefined ? [] : [scales, scratch.take("wide", numRows * paddedColumns * 4)]
  const parameters = [numColumns, paddedColumns, 0, 0, 0, 0]
  queue.dispatch(kernels.rows(kind), [numRows, 1], parameters, [...inputs, values, ...between])
  return { values, scales, lookUp: undefined }
}

/** Multiplies rows with a matrix of a slab, to rows of `out`. */
export function multiplyRows(
  { queue, kernels }: GpuContext,
  out: BufferId,
  { values, scales, lookUp }: ReadyRows,
  slab: BufferId,
  matrix: MatrixLayout,
  rows: ProductRows,
): void {
  const { format } = matrix
  const kernel = kernels.product({ format, tile: tileFor(rows.numRows), isGathered: lookUp !== undefined })
  const optional = [scales, lookUp].filter((buffer) => buffer !== undefined)
  const grid = productGrid(matrix, rows.numRows)
  queue.dispatch(kernel, grid, productParameters(matrix, rows), [slab, values, ...optional, out])
}

/**
 * Runs experts of one layout over rows of x, to their rows of `out` `[numOutputs, hiddenSize]`.
 *
 * @param lookUp the row of x of each output row, where they are not the same
 */
export function runExperts(
  context: GpuContext,
  { activation, gateProj, upProj, downProj }: Extract<SlabLayout, { kind: "expert" }>,
  out: BufferId,
  x: BufferId,
  lookUp: BufferId | undefined,
  counts: { readonly numRows: number; readonly numOutputs: number },
  runs: readonly ExpertRun[],
): void {
  const { scratch } = context
  const { numRows, numOutputs } = counts
  const ready = readyRows(context, ["rows", "scales"], { kind: "rows" }, [x], numRows, upProj)
  const innerBytes = numOutputs * upProj.numRows * 4
  const up = scratch.take("up", innerBytes)
  const gate = gateProj === undefined ? undefined : scratch.take("gate", innerBytes)
  for (const { slab, firstRow, numRows: ownRows } of runs) {
    const rows = { firstX: firstRow, firstOut: firstRow, numRows: ownRows }
    multiplyRows(context, up, { ...ready, lookUp }, slab, upProj, rows)
    if (gateProj !== undefined) multiplyRows(context, gate!, { ...ready, lookUp }, slab, gateProj, rows)
  }
  const of: ExpertActivation = expertActivation(activation, gateProj !== undefined)
  const inputs = gate === undefined ? [up] : [up, gate]
  const names: ReadyNames = ["innerRows", "innerScales"]
  const inner = readyRows(context, names, { kind: "activation", of }, inputs, numOutputs, downProj)
  for (const { slab, firstRow, numRows: ownRows } of runs) {
    const rows = { firstX: firstRow, firstOut: firstRow, numRows: ownRows }
    multiplyRows(context, out, inner, slab, downProj, rows)
  }
}
