/**
 * The backend on onnxruntime: every CPU and system that it runs on, by graphs that are built here.
 *
 * Weights are copied to the form that onnxruntime's operators read, 4 bits as 8, and enter graphs as inputs: one session serves every slab of
 * its kind. What they were packed in is free again.
 */
import {
  activationName,
  addScaledRows,
  appendKeysAndValues,
  type Arena,
  type Backend,
  checkWidths,
  expertActivation,
  type Format,
  isRotated,
  matrixOf,
  normAndRotate,
  normRows,
  PLAIN_OPS,
  type Slab,
} from "@consilium/kernels"
import { rotateRow } from "@consilium/tensor"
import type { Tensor } from "onnxruntime-common"
import { type AttentionRunner, attentionKey, createAttentionRunner } from "./attention.ts"
import { encodeGraph, type Graph } from "./graph.ts"
import { embedRows, type OnnxSlab, openOnnxSlab, type ProductFeeds } from "./OnnxSlab.ts"
import { f32Inner, f32Product, int8Inner, int8Product } from "./productGraphs.ts"
import { copyRows, quantizeRows } from "./quantizeRows.ts"
import { createScratch, tensorOf } from "./Scratch.ts"
import { createSession, type Session } from "./Session.ts"

/** Multiply-adds from which a product is shared by threads: they sleep between products, and take some 50 µs to wake. */
const LEAST_SHARED_WORK = 2 ** 20

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

  /** @param work multiply-adds of the run: a little is done sooner by one thread than a second one wakes */
  const sessionFor = (name: string, work: number, graph: () => Graph): Session => {
    const threads = work < LEAST_SHARED_WORK ? 1 : numThreads
    const key = threads === 1 ? name : `${name} shared`
    const known = sessions.get(key)
    if (known !== undefined) return known
    const session = createSession(encodeGraph(graph()), threads)
    sessions.set(key, session)
    return session
  }

  const opened = (slab: Slab): OnnxSlab => {
    if (!open.has(slab as OnnxSlab)) throw new Error("onnx: this slab is not open")
    return slab as OnnxSlab
  }

  /**
   * Puts rows of x, `width` wide, beside a product's weights: as wide as its padded columns, in 8 bits where the weights are integers, rotated where
   * theirs are. What a row has past the weights' columns is zeros.
   */
  const feedRows = (
    { layout, feeds }: ProductFeeds,
    x: Float32Array,
    offset: number,
    numRows: number,
    width: number,
  ): Record<string, Tensor> => {
    const stride = layout.paddedColumns
    if (layout.format !== "f32") {
      const rows = quantized.take(numRows, stride)
      const rowScale = scales.take(numRows, 1)
      const out = { values: rows.values, scales: rowScale.values }
      if (isRotated(layout.format)) {
        const { values } = wide.take(numRows, stride)
        for (let row = 0; row < numRows; row++)
          rotateRow(values, row * stride, x, offset + row * width, layout.numColumns)
        quantizeRows(out, values, 0, { numRows, width: stride, stride })
      } else quantizeRows(out, x, offset, { numRows, width, stride })
      feeds.x = rows.tensor
      feeds.rowScale = rowScale.tensor
    } else feeds.x = widened(x, offset, numRows, width, stride)
    return feeds
  }

  const widened = (x: Float32Array, offset: number, numRows: number, width: number, stride: number): Tensor => {
    if (width === stride) return tensorOf(x.subarray(offset, offset + numRows * width), [numRows, width])
    const { values, tensor } = wide.take(numRows, stride)
    copyRows(values, 0, stride, x, offset, width, numRows)
    return tensor
  }

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

  /** `out = W · x` for rows of x that are `width` wide. */
  const multiply = (
    out: Float32Array,
    outOffset: number,
    x: Float32Array,
    xOffset: number,
    numRows: number,
    width: number,
    weights: ProductFeeds,
  ): void => {
    const { layout, hasBias } = weights
    const { format, numRows: outWidth, paddedRows } = layout
    const graph = format === "f32" ? f32Product : int8Product
    const work = numRows * paddedRows * layout.paddedColumns
    const session = sessionFor(`${kindOf(format)} ${hasBias}`, work, () => graph({ hasBias }))
    const feeds = feedRows(weights, x, xOffset, numRows, width)
    runInto(out, outOffset, outWidth, numRows, paddedRows, (y) => session.run(feeds, { y }))
  }

  return {
    name: "onnx",
    arena,
    cacheFormats: ["f32"],
    supports: (op) => PLAIN_OPS.has(op),
    openSlab(span, layout) {
      if (span.bytes < layout.bytes)
        throw new Error(`onnx: a slab of ${layout.bytes} bytes does not fit a span of ${span.bytes}`)
      const slab = openOnnxSlab(arena, arena.bytes(span), layout)
      open.add(slab)
      return slab
    },
    numBytes: (slab) => opened(slab).spans.reduce((sum, { bytes }) => sum + bytes, 0),
    closeSlab(slab) {
      for (const span of opened(slab).spans) arena.free(span)
      open.delete(slab as OnnxSlab)
    },
    embed(out, ids, numIds, slab) {
      const { matrix } = opened(slab)
      if (matrix === undefined) throw new Error("onnx: embed() wants a matrix slab")
      embedRows(out.values, ids, numIds, matrix.own)
    },
    matmul(out, x, numRows, slab) {
      const layout = matrixOf(slab)
      checkWidths("matmul", out, layout.numRows, x, layout.numColumns)
      if (numRows === 0) return
      multiply(out.values, 0, x.values, 0, numRows, x.width, opened(slab).matrix!)
    },
    expert(out, x, firstRow, numRows, slab) {
      const { layout, expert } = opened(slab)
      if (layout.kind !== "expert") throw new Error("onnx: expert() wants an expert slab")
      checkWidths("expert", out, layout.downProj.numRows, x, layout.upProj.numColumns)
      if (numRows === 0) return
      const { activation, hasGateProj, inner: half, downProj } = expert!
      const { hasBias } = half
      const { format, paddedRows } = half.layout
      const graph = format === "f32" ? f32Inner : int8Inner
      const key = `${kindOf(format)} ${activationName(activation)} ${hasGateProj} ${hasBias}`
      const work = numRows * paddedRows * half.layout.paddedColumns * (hasGateProj ? 2 : 1)
      const innerSession = sessionFor(key, work, () => graph({ ...expertActivation(activation, hasGateProj), hasBias }))
      // The intermediate lies in rows as wide as the padded ones of its weights: zeros follow the logical ones.
      const { values, tensor } = inner.take(numRows, paddedRows)
      innerSession.run(feedRows(half, x.values, firstRow * x.width, numRows, x.width), { y: tensor })
      multiply(out.values, firstRow * out.width, values, 0, numRows, paddedRows, downProj)
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
      for (const slab of open) for (const span of slab.spans) arena.free(span)
      for (const session of sessions.values()) session.close()
      for (const runner of runners.values()) runner.close()
      for (const map of [open, sessions, runners]) map.clear()
    },
  }
}

/** What a session is for: 4-bit weights are expanded to 8. */
function kindOf(format: Format): "f32" | "int8" {
  return format === "f32" ? "f32" : "int8"
}
