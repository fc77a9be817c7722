import type { AttentionLayer } from "@consilium/kernels"
import type { Graph, GraphConstant } from "./graph.ts"

/** What a graph of attention depends on. */
export type AttentionShape = Pick<AttentionLayer, "numHeads" | "numKvHeads" | "headDim" | "scale">

/**
 * Attention of one row over what a cache holds: softmax(scale · q · kᵀ) · v, the queries of a group sharing their keys.
 *
 * Positions `begin .. end` of the cache `[KV, capacity, D]` take part: a window is where they begin.
 */
export function decodeAttention({ numHeads, numKvHeads, headDim, scale }: AttentionShape): Graph {
  const group = numHeads / numKvHeads
  const cache = [numKvHeads, "capacity", headDim]
  return {
    inputs: [
      { name: "q", type: "f32", shape: [numKvHeads, group, headDim] },
      { name: "keyCache", type: "f32", shape: cache },
      { name: "valueCache", type: "f32", shape: cache },
      { name: "begin", type: "i64", shape: [1] },
      { name: "end", type: "i64", shape: [1] },
    ],
    outputs: [{ name: "y", type: "f32", shape: [numKvHeads, group, headDim] }],
    constants: [int64Constant("axis", 1)],
    nodes: [
      { op: "Slice", inputs: ["keyCache", "begin", "end", "axis"], outputs: ["keys"] },
      { op: "Slice", inputs: ["valueCache", "begin", "end", "axis"], outputs: ["values"] },
      {
        op: "FusedMatMul",
        domain: "com.microsoft",
        inputs: ["q", "keys"],
        outputs: ["scores"],
        attributes: { transB: 1 },
        floats: { alpha: scale },
      },
      { op: "Softmax", inputs: ["scores"], outputs: ["shares"], attributes: { axis: -1 } },
      { op: "MatMul", inputs: ["shares", "values"], outputs: ["y"] },
    ],
  }
}

/**
 * Attention of many rows of one slot: GroupQueryAttention on packed q, k, v that are normed and rotated already.
 *
 * The past is a copy of positions `begin .. end` of the cache, and what the operator would append stays inside the graph: a graph that gives
 * the cache back, even as the very tensor it came in, has all of its capacity copied to JavaScript by every call.
 *
 * @param slidingWindow in positions, the query's own among them
 */
export function chunkAttention(shape: AttentionShape, slidingWindow: number): Graph {
  const { numHeads, numKvHeads, headDim, scale } = shape
  const cache = [numKvHeads, "capacity", headDim]
  return {
    inputs: [
      { name: "qkv", type: "f32", shape: ["one", "t", (numHeads + 2 * numKvHeads) * headDim] },
      { name: "keyCache", type: "f32", shape: cache },
      { name: "valueCache", type: "f32", shape: cache },
      { name: "begin", type: "i64", shape: [1] },
      { name: "end", type: "i64", shape: [1] },
      { name: "last", type: "i32", shape: [1] },
      { name: "total", type: "i32", shape: [] },
    ],
    outputs: [{ name: "y", type: "f32", shape: ["one", "t", numHeads * headDim] }],
    constants: [int64Constant("axis", 1), int64Constant("batch", 0)],
    nodes: [
      { op: "Slice", inputs: ["keyCache", "begin", "end", "axis"], outputs: ["keys"] },
      { op: "Slice", inputs: ["valueCache", "begin", "end", "axis"], outputs: ["values"] },
      { op: "Unsqueeze", inputs: ["keys", "batch"], outputs: ["pastKeys"] },
      { op: "Unsqueeze", inputs: ["values", "batch"], outputs: ["pastValues"] },
      {
        op: "GroupQueryAttention",
        domain: "com.microsoft",
        inputs: ["qkv", "", "", "pastKeys", "pastValues", "last", "total"],
        outputs: ["y", "presentKeys", "presentValues"],
        attributes: {
          num_heads: numHeads,
          kv_num_heads: numKvHeads,
          ...(Number.isFinite(slidingWindow) ? { local_window_size: slidingWindow } : {}),
        },
        floats: { scale },
      },
    ],
  }
}

function int64Constant(name: string, value: number): GraphConstant {
  return { name, type: "i64", shape: [1], data: new Uint8Array(BigInt64Array.of(BigInt(value)).buffer) }
}
