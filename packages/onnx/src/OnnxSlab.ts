import {
  type Activation,
  type MatrixLayout,
  type OpenMatrix,
  openMatrix,
  type Slab,
  type SlabLayout,
} from "@consilium/kernels"
import type { Tensor } from "onnxruntime-common"
import { encodeGraph } from "./graph.ts"
import { type Int4Weights, int4Expert, int4Product } from "./productGraphs.ts"
import { tensorOf } from "./Scratch.ts"
import { createSession, type Session } from "./Session.ts"

/** Feeds of one product, whose weights lie in the arena. Made once: a run puts its rows beside them, as `x` and `rowScale`. */
export interface ProductFeeds {
  readonly layout: MatrixLayout
  readonly hasBias: boolean
  readonly feeds: Record<string, Tensor>
}

/** A slab as this backend has it: views of the arena (f32, int8), or a session with the weights inside (int4). */
export interface OnnxSlab extends Slab {
  readonly backend: "onnx"
  /** For `embed`; undefined where the arena is not read. */
  readonly open: OpenMatrix | undefined
  readonly matrix: ProductFeeds | undefined
  readonly expert:
    | {
        readonly activation: Activation
        readonly hasGateProj: boolean
        /** Gate and up projection together. */
        readonly inner: ProductFeeds
        readonly downProj: ProductFeeds
      }
    | undefined
  readonly session: Session | undefined
}

/** Opens a slab over `bytes`. */
export function openOnnxSlab(bytes: Uint8Array, layout: SlabLayout): OnnxSlab {
  const own = {
    backend: "onnx",
    layout,
    open: undefined,
    matrix: undefined,
    expert: undefined,
    session: undefined,
  } as const
  if (layout.format === "int4") return { ...own, readsArena: false, session: openInt4(bytes, layout) }
  if (layout.kind === "matrix") {
    const open = openMatrix(bytes, layout.matrix)
    return { ...own, readsArena: true, open, matrix: productFeeds({ w: open }) }
  }
  const { activation, gateProj, upProj, downProj } = layout
  const up = openMatrix(bytes, upProj)
  const inner = gateProj === undefined ? { up } : { up, gate: openMatrix(bytes, gateProj) }
  return {
    ...own,
    readsArena: true,
    expert: {
      activation,
      hasGateProj: gateProj !== undefined,
      inner: productFeeds(inner),
      downProj: productFeeds({ w: openMatrix(bytes, downProj) }),
    },
  }
}

/** @param matrices by the names that the graph gives them, all of one layout */
function productFeeds(matrices: Readonly<Record<string, OpenMatrix>>): ProductFeeds {
  const feeds: Record<string, Tensor> = {}
  for (const [name, { layout, f32, int8, scales, bias }] of Object.entries(matrices)) {
    const { format, paddedRows, paddedColumns } = layout
    if (format === "f32") feeds[name] = tensorOf(f32, [paddedRows, paddedColumns])
    else {
      feeds[name] = tensorOf(int8, [paddedColumns, paddedRows])
      feeds[`${name}Scale`] = tensorOf(scales, [paddedRows])
    }
    if (bias.length > 0) feeds[`${name}Bias`] = tensorOf(bias, [paddedRows])
  }
  const [first] = Object.values(matrices)
  return { layout: first!.layout, hasBias: first!.bias.length > 0, feeds }
}

/** 4-bit weights must be constants of their graph: as inputs they are 40 to 370 times slower. */
function openInt4(bytes: Uint8Array, layout: SlabLayout): Session {
  const weights = (matrix: MatrixLayout): Int4Weights => {
    const { nibbles, scales, zeroPoints, bias } = openMatrix(bytes, matrix)
    const raw = (values: Float32Array): Uint8Array =>
      new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
    return {
      layout: matrix,
      values: nibbles,
      scales: raw(scales),
      zeroPoints,
      bias: bias.length === 0 ? undefined : raw(bias),
    }
  }
  if (layout.kind === "matrix") return createSession(encodeGraph(int4Product(weights(layout.matrix))), 1)
  const { activation, gateProj, upProj, downProj } = layout
  const expert = { gateProj: gateProj && weights(gateProj), upProj: weights(upProj), downProj: weights(downProj) }
  return createSession(encodeGraph(int4Expert(activation, expert)), 1)
}
