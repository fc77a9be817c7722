import {
  type Backend,
  createArena,
  createReferenceBackend,
  type ExpertShape,
  type MatrixShape,
  type Slab,
} from "@consilium/kernels"
import { noise } from "@consilium/tensor"
import { openSlabPool, type PackedSlab } from "./openSlabPool.ts"

/** Rows of x repeat after this many, so that a few rows of the reference check all of a backend's. */
const NUM_ROW_KINDS = 2

/** What sizes rows of a product have. */
type ProductSizes =
  | ({ readonly kind: "matrix" } & Pick<MatrixShape, "numRows" | "numColumns">)
  | ({ readonly kind: "expert" } & Pick<ExpertShape, "hiddenSize">)

/** A product or an expert over the same rows, again and again. */
export interface Product {
  /** Takes the next copy of the weights each time. */
  readonly run: () => void
  /** `[numRows, width]` of the last run. */
  readonly output: Float32Array
}

/** Creates a product of `numRows` rows with slabs of one shape, which take turns. */
export function createProduct(backend: Backend, slabs: readonly Slab[], shape: ProductSizes, numRows: number): Product {
  const { arena } = backend
  const [width, outWidth] =
    shape.kind === "expert" ? [shape.hiddenSize, shape.hiddenSize] : [shape.numColumns, shape.numRows]
  const x = arena.rows(numRows, width)
  const out = arena.rows(numRows, outWidth)
  x.values.set(repeatRows(noise(NUM_ROW_KINDS * width, 7, 1), numRows))
  let next = 0
  const run = (): void => {
    const slab = slabs[next]!
    next = (next + 1) % slabs.length
    if (shape.kind === "expert") backend.expert(out, x, 0, numRows, slab)
    else backend.matmul(out, x, numRows, slab)
  }
  return { run, output: out.values }
}

/** Returns what the reference makes of each kind of row, `[NUM_ROW_KINDS, width]`: `repeatRows` makes them as many as a product has. */
export function computeRight(shape: ProductSizes, packed: PackedSlab): Float32Array {
  const arena = createArena()
  const backend = createReferenceBackend(arena)
  const { run, output } = createProduct(backend, openSlabPool(backend, packed, 1).slabs, shape, NUM_ROW_KINDS)
  run()
  const right = output.slice()
  arena.close()
  return right
}

/** Repeats rows `[NUM_ROW_KINDS, width]` to `[numRows, width]`. */
export function repeatRows(kinds: Float32Array, numRows: number): Float32Array {
  const width = kinds.length / NUM_ROW_KINDS
  const rows = new Float32Array(numRows * width)
  for (let t = 0; t < numRows; t++) {
    const kind = t % NUM_ROW_KINDS
    rows.set(kinds.subarray(kind * width, (kind + 1) * width), t * width)
  }
  return rows
}
