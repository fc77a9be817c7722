/**
 * The backend on onnxruntime: every CPU and system that it runs on, by graphs that are built here.
 *
 * Weights in f32 and int8 stay in the arena and enter graphs as inputs: nothing is copied, and one session serves every slab of its kind.
 * Weights in int4 go into a session of their own, and their arena bytes are free again.
 */
import {
  addScaledRows,
  appendKeysAndValues,
  type Arena,
  type Backend,
  checkWidths,
  embedRows,
  matrixOf,
  normAndRotate,
  normRows,
  type Rows,
  type Slab,
} from "@consilium/kernels"
import type { Tensor } from "onnxruntime-common"
import { type AttentionRunner, attentionKey, createAttentionRunner } from "./attention.ts"
import { encodeGraph, type Graph } from "./graph.ts"
import { type MatrixFeeds, type OnnxSlab, openOnnxSlab } from "./OnnxSlab.ts"
import { f32Inner, f32Product, int8Inner, int8Product } from "./productGraphs.ts"
import { copyRows, quantizeRows } from "./quantizeRows.ts"
import { createScratch, tensorOf } from "./Scratch.ts"
import { createSession, type Session } from "./Session.ts"

/** What a 4-bit session holds over its slab's bytes: its weights repacked, block sums and the scales twice. */
const INT4_NATIVE_SHARE = 1.6
/** A session by itself. */
const SESSION_BYTES = 200_000

/** @param numThreads of each product; the number of cores */
export function createOnnxBackend(arena: Arena, { numThreads }: { readonly numThreads: number }): Backend {
  const sessions = new Map<string, Session>()
  const runners = new Map<string, AttentionRunner>()
  const open = new Set<OnnxSlab>()
  const scales = createScratch((length) => new Float32Array(length))
  const quantized = createScratch((length) => new Uint8Array(length))
  const wide = createScratch((length) => new Float32Array(length))
  const inner = createScratch((length) => new Float32Array(length))
  const product = createScratch((length) => new Float32Array(length))

  const sessionFor = (name: string, graph: () => Graph): Session => {
    const known = sessions.get(name)
    if (known !== undefined) return known
    const session = createSession(encodeGraph(graph()), numThreads)
    sessions.set(name, session)
    return session
  }

  const opened = (slab: Slab): OnnxSlab => {
    if (!open.has(slab as OnnxSlab)) throw new Error("onnx: this slab is not open")
    return slab as OnnxSlab
  }

  /** Feeds of some rows of x, as wide as the weights' padded columns: quantised for int8. */
  const rowFeeds = (
    x: Float32Array,
    offset: number,
    numRows: number,
    { layout }: MatrixFeeds,
    isRowsOwn: boolean,
  ): Record<string, Tensor> => {
    const { format, numColumns: width, paddedColumns: stride } = layout
    if (format === "int8") {
      const out = quantized.take(numRows, stride)
      const rowScale = scales.take(numRows, 1)
      quantizeRows({ values: out.values, scales: rowScale.values }, x, offset, {
        numRows,
        width: isRowsOwn ? width : widthOfInner(layout),
        stride,
      })
      return { x: out.tensor, rowScale: rowScale.tensor }
    }
    return { x: widened(x, offset, numRows, isRowsOwn ? width : widthOfInner(layout), stride) }
  }

  const widened = (x: Float32Array, offset: number, numRows: number, width: number, stride: number): Tensor => {
    if (width === stride) return tensorOf(x.subarray(offset, offset + numRows * width), [numRows, width])
    const { values, tensor } = wide.take(numRows, stride)
    copyRows(values, 0, stride, x, offset, width, numRows)
    return tensor
  }

  const weightFeeds = (name: string, { weights, scales: scale, bias }: MatrixFeeds): Record<string, Tensor> => ({
    [name]: weights,
    ...(scale === undefined ? {} : { [`${name}Scale`]: scale }),
    ...(bias === undefined ? {} : { [`${name}Bias`]: bias }),
  })

  /** Runs into `out` where its rows are as wide as the product's, else through scratch. */
  const runInto = (
    out: Float32Array,
    offset: number,
    width: number,
    numRows: number,
    paddedWidth: number,
    run: (y: Tensor) => void,
  ): void => {
    if (width === paddedWidth) return run(tensorOf(out.subarray(offset, offset + numRows * width), [numRows, width]))
    const { values, tensor } = product.take(numRows, paddedWidth)
    run(tensor)
    copyRows(out, offset, width, values, 0, paddedWidth, numRows)
  }

  const multiply = (
    out: Float32Array,
    outOffset: number,
    x: Float32Array,
    xOffset: number,
    numRows: number,
    feeds: MatrixFeeds,
    isRowsOwn: boolean,
  ): void => {
    const { format, numRows: width, paddedRows } = feeds.layout
    const hasBias = feeds.bias !== undefined
    const graph = format === "int8" ? int8Product : f32Product
    const session = sessionFor(`${format} ${hasBias}`, () => graph({ hasBias }))
    const inputs = { ...rowFeeds(x, xOffset, numRows, feeds, isRowsOwn), ...weightFeeds("w", feeds) }
    runInto(out, outOffset, width, numRows, paddedRows, (y) => session.run(inputs, { y }))
  }

  const runSession = (
    out: Rows,
    x: Rows,
    firstRow: number,
    numRows: number,
    session: Session,
    outMatrix: MatrixFeeds["layout"],
    inMatrix: MatrixFeeds["layout"],
  ): void => {
    const input = widened(x.values, firstRow * x.width, numRows, x.width, inMatrix.paddedColumns)
    runInto(out.values, firstRow * out.width, out.width, numRows, outMatrix.paddedRows, (y) =>
      session.run({ x: input }, { y }),
    )
  }

  return {
    name: "onnx",
    arena,
    supports: (op, format) => op !== "embed" || format !== "int4",
    openSlab(span, layout) {
      if (span.bytes < layout.bytes)
        throw new Error(`onnx: a slab of ${layout.bytes} bytes does not fit a span of ${span.bytes}`)
      const slab = openOnnxSlab(arena.bytes(span), layout)
      open.add(slab)
      return slab
    },
    numBytes: ({ layout, readsArena }) =>
      readsArena ? layout.bytes : Math.round(layout.bytes * INT4_NATIVE_SHARE) + SESSION_BYTES,
    closeSlab(slab) {
      opened(slab).session?.close()
      open.delete(slab as OnnxSlab)
    },
    embed(out, ids, numIds, slab) {
      const { open: matrix } = opened(slab)
      if (matrix === undefined) throw new Error("onnx: embed() wants an f32 or int8 matrix")
      embedRows(out.values, ids, numIds, matrix)
    },
    matmul(out, x, numRows, slab) {
      const layout = matrixOf(slab)
      checkWidths("matmul", out, layout.numRows, x, layout.numColumns)
      if (numRows === 0) return
      const { matrix, session } = opened(slab)
      if (session !== undefined) return runSession(out, x, 0, numRows, session, layout, layout)
      multiply(out.values, 0, x.values, 0, numRows, matrix!, true)
    },
    expert(out, x, firstRow, numRows, slab) {
      const { layout, expert, session } = opened(slab)
      if (layout.kind !== "expert") throw new Error("onnx: expert() wants an expert slab")
      checkWidths("expert", out, layout.downProj.numRows, x, layout.upProj.numColumns)
      if (numRows === 0) return
      if (session !== undefined) return runSession(out, x, firstRow, numRows, session, layout.downProj, layout.upProj)

      const { activation, gateProj, upProj, downProj } = expert!
      const { format, paddedRows } = upProj.layout
      const kind = { activation, hasGateProj: gateProj !== undefined, hasBias: upProj.bias !== undefined }
      const graph = format === "int8" ? int8Inner : f32Inner
      const innerSession = sessionFor(`${format} ${activation} ${kind.hasGateProj} ${kind.hasBias}`, () => graph(kind))
      const { values, tensor } = inner.take(numRows, paddedRows)
      const inputs = {
        ...rowFeeds(x.values, firstRow * x.width, numRows, upProj, true),
        ...weightFeeds("up", upProj),
        ...(gateProj === undefined ? {} : weightFeeds("gate", gateProj)),
      }
      innerSession.run(inputs, { y: tensor })
      multiply(out.values, firstRow * out.width, values, 0, numRows, downProj, false)
    },
    attend(out, qkv, slots, layer) {
      const key = attentionKey(layer)
      const runner = runners.get(key) ?? createAttentionRunner(layer, numThreads)
      runners.set(key, runner)
      normAndRotate(qkv.values, slots, layer)
      appendKeysAndValues(qkv.values, slots, layer)
      for (let s = 0; s < slots.length; s++) runner.run(out, qkv, slots[s]!)
    },
    norm: (out, x, numRows, weight, epsilon) => normRows(out.values, x.values, numRows, weight, epsilon),
    addScaled: (out, x, numRows, factors) => addScaledRows(out.values, x.values, numRows, out.width, factors),
    close() {
      for (const { session } of open) session?.close()
      for (const session of sessions.values()) session.close()
      for (const runner of runners.values()) runner.close()
      for (const map of [open, sessions, runners]) map.clear()
    },
  }
}

/** The intermediate lies in rows padded to 32: downProj reads that many, zeros after the logical ones included. */
function widthOfInner({ numColumns }: MatrixFeeds["layout"]): number {
  return Math.ceil(numColumns / 32) * 32
}
