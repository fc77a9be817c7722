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

/** One matrix as feeds of a product: its weights lie in the arena. */
export interface MatrixFeeds {
  readonly layout: MatrixLayout
  readonly weights: Tensor
  readonly scales: Tensor | undefined
  readonly bias: Tensor | undefined
}

/** A slab as this backend has it: views of the arena (f32, int8), or a session with the weights inside (int4). */
export interface OnnxSlab extends Slab {
  readonly backend: "onnx"
  /** For `embed`; undefined where the arena is not read. */
  readonly open: OpenMatrix | undefined
  readonly matrix: MatrixFeeds | undefined
  readonly expert:
    | {
        readonly activation: Activation
        readonly gateProj: MatrixFeeds | undefined
        readonly upProj: MatrixFeeds
        readonly downProj: MatrixFeeds
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
    return { ...own, readsArena: true, open, matrix: feedsOf(open) }
  }
  const { activation, gateProj, upProj, downProj } = layout
  const feeds = (matrix: MatrixLayout): MatrixFeeds => feedsOf(openMatrix(bytes, matrix))
  return {
    ...own,
    readsArena: true,
    expert: { activation, gateProj: gateProj && feeds(gateProj), upProj: feeds(upProj), downProj: feeds(downProj) },
  }
}

function feedsOf({ layout, f32, int8, scales, bias }: OpenMatrix): MatrixFeeds {
  const { format, paddedRows, paddedColumns } = layout
  const isF32 = format === "f32"
  return {
    layout,
    weights: isF32 ? tensorOf(f32, [paddedRows, paddedColumns]) : tensorOf(int8, [paddedColumns, paddedRows]),
    scales: isF32 ? undefined : tensorOf(scales, [paddedRows]),
    bias: bias.length === 0 ? undefined : tensorOf(bias, [paddedRows]),
  }
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
