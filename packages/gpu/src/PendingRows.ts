/**
 * What is recorded last, and may be one kernel with what follows: a branch is added to the hidden rows, these are normed, and their norm is made ready for a product.
 *
 * Each is a command of its own to who calls, and a dispatch costs a device as much as a row's work: three are one where they come one after the other, on the same rows.
 */
import { ADDED_VALUES } from "./addScaledKernel.ts"
import { floatBits } from "./floatBits.ts"
import type { GpuConstants } from "./GpuConstants.ts"
import type { GpuKernels } from "./GpuKernels.ts"
import type { BufferId, GpuQueue } from "./GpuQueue.ts"
import type { RowsKind } from "./rowsKernel.ts"

/** Rows of `width` values that are written: those of `x` are added, each times its factor where there are such. */
interface AddedRows {
  readonly out: BufferId
  readonly x: BufferId
  readonly numRows: number
  readonly width: number
  readonly factors: BufferId | undefined
}

/** An RMS norm of rows of `weight.length` values. `out` may be `x`. */
interface NormedRows {
  readonly out: BufferId
  readonly x: BufferId
  readonly numRows: number
  readonly weight: Float32Array
  readonly epsilon: number
}

/** What becomes of a norm's rows beside themselves: their form, how wide that is, and its buffers. */
interface NormTarget extends Pick<RowsKind, "target" | "isRotated"> {
  readonly stride: number
  readonly buffers: readonly BufferId[]
}

export interface PendingRows {
  add(rows: AddedRows): void
  norm(rows: NormedRows): void
  /** Records what is pending in one kernel with what makes `numRows` rows of `x` ready, where these are the norm; false where they are not, and nothing is recorded. */
  fuse(x: BufferId, numRows: number, target: NormTarget): boolean
  /** Records what is pending: what is recorded next reads it, or what it reads. */
  flush(): void
  /** Forgets what is pending: its device is gone. */
  forget(): void
}

export function createPendingRows(queue: GpuQueue, kernels: GpuKernels, constants: GpuConstants): PendingRows {
  let added: AddedRows | undefined
  let normed: NormedRows | undefined

  const recordAdd = ({ out, x, numRows, width, factors }: AddedRows): void => {
    const inputs = factors === undefined ? [x] : [x, factors]
    const kernel = kernels.addScaled({ hasFactors: factors !== undefined })
    queue.dispatch(kernel, [Math.ceil(width / ADDED_VALUES), numRows], [width], [...inputs, out])
  }
  const recordNorm = (
    { out, x, numRows, weight, epsilon }: NormedRows,
    { target, isRotated, stride, buffers }: NormTarget,
  ): void => {
    const isInPlace = out === x
    const source = { kind: "normed", adds: added !== undefined, isInPlace } as const
    const inputs = [constants.take(weight), ...(added === undefined ? [] : [added.x]), x]
    const parameters = [weight.length, stride, 0, 0, 0, 0, floatBits(epsilon)]
    const kernel = kernels.rows({ source, target, isRotated })
    queue.dispatch(kernel, [numRows, 1], parameters, [...inputs, ...(isInPlace ? [] : [out]), ...buffers])
    added = normed = undefined
  }
  const flush = (): void => {
    if (normed !== undefined)
      return recordNorm(normed, { target: "source", isRotated: false, stride: normed.weight.length, buffers: [] })
    if (added !== undefined) recordAdd(added)
    added = undefined
  }

  return {
    add(rows) {
      flush()
      if (rows.factors === undefined) added = rows
      else recordAdd(rows)
    },
    norm(rows) {
      const follows = normed === undefined && added?.out === rows.x && added.numRows === rows.numRows
      if (!follows) flush()
      normed = rows
    },
    fuse(x, numRows, target) {
      if (normed?.out !== x || normed.numRows !== numRows) return false
      recordNorm(normed, target)
      return true
    },
    flush,
    forget() {
      added = normed = undefined
    },
  }
}
