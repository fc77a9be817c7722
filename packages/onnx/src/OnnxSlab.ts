import {
  type Activation,
  type Arena,
  isRotated,
  type MatrixLayout,
  type OpenMatrix,
  openMatrix,
  readF32Row,
  readIntegerRow,
  type Slab,
  type SlabLayout,
  type Span,
} from "@consilium/kernels"
import { rotateColumns } from "@consilium/tensor"
import type { Tensor } from "onnxruntime-common"
import { tensorOf } from "./Scratch.ts"

/** A matrix as onnxruntime's operators want it, in arena memory of its own. */
export interface OnnxMatrix {
  readonly layout: MatrixLayout
  /** f32 `[paddedRows, paddedColumns]`, or int8 `[paddedColumns, paddedRows]`: 8-bit weights as they are packed, 4-bit ones expanded, which is exact. */
  readonly values: Float32Array | Int8Array
  /** `[paddedRows]`, empty in f32. */
  readonly scales: Float32Array
  /** `[paddedRows]`, empty where there is none. */
  readonly bias: Float32Array
}

/** Feeds of one product. Made once: a run puts its rows beside them, as `x` and `rowScale`. */
export interface ProductFeeds {
  readonly layout: MatrixLayout
  readonly hasBias: boolean
  readonly feeds: Record<string, Tensor>
}

/** A slab as this backend has it: nothing of it lies where it was packed. */
export interface OnnxSlab extends Slab {
  readonly backend: "onnx"
  readonly readsArena: false
  /** What its matrices lie in, to be freed when it is closed. */
  readonly spans: readonly Span[]
  readonly matrix: (ProductFeeds & { readonly own: OnnxMatrix }) | undefined
  readonly expert:
    | {
        readonly activation: Activation
        readonly hasGateProj: boolean
        /** Gate and up projection together. */
        readonly inner: ProductFeeds
        readonly downProj: ProductFeeds
      }
    | undefined
}

/** Opens a slab over `bytes`, which are copied. @throws ArenaFullError, keeping nothing */
export function openOnnxSlab(arena: Arena, bytes: Uint8Array, layout: SlabLayout): OnnxSlab {
  const spans: Span[] = []
  const copy = (matrix: MatrixLayout): OnnxMatrix => copyMatrix(arena, spans, bytes, matrix)
  const own = { backend: "onnx", layout, readsArena: false, spans, matrix: undefined, expert: undefined } as const
  try {
    if (layout.kind === "matrix") {
      const matrix = copy(layout.matrix)
      return { ...own, matrix: { ...productFeeds({ w: matrix }), own: matrix } }
    }
    const { activation, gateProj, upProj, downProj } = layout
    const up = copy(upProj)
    const inner = gateProj === undefined ? { up } : { up, gate: copy(gateProj) }
    const down = productFeeds({ w: copy(downProj) })
    const expert = { activation, hasGateProj: gateProj !== undefined, inner: productFeeds(inner), downProj: down }
    return { ...own, expert }
  } catch (error) {
    for (const span of spans) arena.free(span)
    throw error
  }
}

/** Writes row `ids[i]` of a matrix, dequantised, to row `i` of `out`, `numIds` of them. @throws Error on an id that is not a row */
export function embedRows(out: Float32Array, ids: Int32Array, numIds: number, matrix: OnnxMatrix): void {
  const { layout, values, scales } = matrix
  const { numRows, numColumns, paddedRows, paddedColumns } = layout
  for (let i = 0; i < numIds; i++) {
    const id = ids[i]!
    if (id < 0 || id >= numRows) throw new Error(`embed: id ${id} is outside the ${numRows} rows`)
    const to = i * numColumns
    if (layout.format === "f32") for (let k = 0; k < numColumns; k++) out[to + k] = values[id * paddedColumns + k]!
    else {
      for (let k = 0; k < numColumns; k++) out[to + k] = values[k * paddedRows + id]! * scales[id]!
      if (isRotated(layout.format)) rotateColumns(out, to, numColumns)
    }
  }
}

function copyMatrix(arena: Arena, spans: Span[], slab: Uint8Array, layout: MatrixLayout): OnnxMatrix {
  const { format, paddedRows, paddedColumns } = layout
  const packed = openMatrix(slab, layout)
  const take = (bytes: number): Uint8Array => {
    const span = arena.allocate(bytes, "whole")
    spans.push(span)
    return arena.bytes(span)
  }
  const copyVector = (vector: Float32Array): Float32Array => {
    if (vector.length === 0) return vector
    const { buffer, byteOffset } = take(vector.byteLength)
    const copied = new Float32Array(buffer, byteOffset, vector.length)
    copied.set(vector)
    return copied
  }
  const elements = paddedRows * paddedColumns
  const { buffer, byteOffset } = take(format === "f32" ? elements * 4 : elements)
  const values =
    format === "f32" ? new Float32Array(buffer, byteOffset, elements) : new Int8Array(buffer, byteOffset, elements)
  if (values instanceof Float32Array) {
    for (let row = 0; row < layout.numRows; row++) readF32Row(values, row * paddedColumns, packed, row)
  } else transposeIntegers(values, packed)
  return { layout, values, scales: copyVector(packed.scales), bias: copyVector(packed.bias) }
}

/** Rows that are transposed together, so that neither side is walked in long strides; rows are padded to a multiple of it. */
const TILE = 32

/** @param out `[paddedColumns, paddedRows]` */
function transposeIntegers(out: Int8Array, matrix: OpenMatrix): void {
  const { paddedRows, paddedColumns } = matrix.layout
  // Rows of the tile do not lie a power of two apart: they would push each other out of the cache.
  const stride = paddedColumns + 64
  const tile = new Uint8Array(TILE * stride)
  const rows = Array.from({ length: TILE }, (_, r) => new Int32Array(tile.buffer, r * stride, paddedColumns / 4))
  for (let first = 0; first < paddedRows; first += TILE) {
    for (let r = 0; r < TILE; r++) readIntegerRow(rows[r]!, matrix, first + r)
    for (let k = 0; k < paddedColumns; k++) {
      const to = k * paddedRows + first
      for (let r = 0; r < TILE; r++) out[to + r] = tile[r * stride + k]! - 128
    }
  }
}

/** @param matrices by the names that the graph gives them, all of one layout */
function productFeeds(matrices: Readonly<Record<string, OnnxMatrix>>): ProductFeeds {
  const feeds: Record<string, Tensor> = {}
  for (const [name, { layout, values, scales, bias }] of Object.entries(matrices)) {
    const { format, paddedRows, paddedColumns } = layout
    if (format === "f32") feeds[name] = tensorOf(values, [paddedRows, paddedColumns])
    else {
      feeds[name] = tensorOf(values, [paddedColumns, paddedRows])
      feeds[`${name}Scale`] = tensorOf(scales, [paddedRows])
    }
    if (bias.length > 0) feeds[`${name}Bias`] = tensorOf(bias, [paddedRows])
  }
  const [first] = Object.values(matrices)
  return { layout: first!.layout, hasBias: first!.bias.length > 0, feeds }
}
