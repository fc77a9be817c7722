import type { AttentionLayer, Rows, SlotRows } from "@consilium/kernels"
import type { Tensor } from "onnxruntime-common"
import { encodeGraph, type Graph } from "./graph.ts"
import { tensorOf } from "./Scratch.ts"
import { createSession, type Session } from "./Session.ts"

/** Runs attention of one kind of layer over slots, one call a slot; the cache is updated in place. */
export interface AttentionRunner {
  run(out: Rows, qkv: Rows, slot: SlotRows): void
  close(): void
}

/** Tells layers that can share a session from those that cannot. */
export function attentionKey({ numHeads, numKvHeads, headDim, scale, slidingWindow }: AttentionLayer): string {
  return [numHeads, numKvHeads, headDim, scale, slidingWindow].join(" ")
}

/** GroupQueryAttention on packed q, k, v that are normed and rotated already. */
function attentionGraph({ numHeads, numKvHeads, headDim, scale, slidingWindow }: AttentionLayer): Graph {
  const cache = ["one", numKvHeads, "capacity", headDim]
  return {
    inputs: [
      { name: "qkv", type: "f32", shape: ["one", "t", (numHeads + 2 * numKvHeads) * headDim] },
      { name: "pastKeys", type: "f32", shape: cache },
      { name: "pastValues", type: "f32", shape: cache },
      { name: "last", type: "i32", shape: [1] },
      { name: "total", type: "i32", shape: [] },
    ],
    outputs: [
      { name: "y", type: "f32", shape: ["one", "t", numHeads * headDim] },
      { name: "keys", type: "f32", shape: cache },
      { name: "values", type: "f32", shape: cache },
    ],
    nodes: [
      {
        op: "GroupQueryAttention",
        domain: "com.microsoft",
        inputs: ["qkv", "", "", "pastKeys", "pastValues", "last", "total"],
        outputs: ["y", "keys", "values"],
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

/** Creates the session that layers of this kind share. */
export function createAttentionRunner(layer: AttentionLayer, numThreads: number): AttentionRunner {
  const { numHeads, numKvHeads, headDim } = layer
  const session: Session = createSession(encodeGraph(attentionGraph(layer)), numThreads)
  const lastPosition = new Int32Array(1)
  const totalLength = new Int32Array(1)
  const last = tensorOf(lastPosition, [1])
  const total = tensorOf(totalLength, [])
  /** The cache's tensors are made once a slot. */
  const caches = new WeakMap<Rows, Tensor>()

  const cacheTensor = (rows: Rows, capacity: number): Tensor => {
    const known = caches.get(rows)
    if (known !== undefined) return known
    const tensor = tensorOf(rows.values, [1, numKvHeads, capacity, headDim])
    caches.set(rows, tensor)
    return tensor
  }

  return {
    run(out, qkv, { firstRow, numRows, pastLength, capacity, keys, values }) {
      lastPosition[0] = pastLength + numRows - 1
      totalLength[0] = pastLength + numRows
      const [inWidth, outWidth] = [(numHeads + 2 * numKvHeads) * headDim, numHeads * headDim]
      const pastKeys = cacheTensor(keys, capacity)
      const pastValues = cacheTensor(values, capacity)
      session.run(
        {
          qkv: tensorOf(qkv.values.subarray(firstRow * inWidth, (firstRow + numRows) * inWidth), [1, numRows, inWidth]),
          pastKeys,
          pastValues,
          last,
          total,
        },
        {
          y: tensorOf(out.values.subarray(firstRow * outWidth, (firstRow + numRows) * outWidth), [
            1,
            numRows,
            outWidth,
          ]),
          keys: pastKeys,
          values: pastValues,
        },
      )
    },
    close: () => session.close(),
  }
}
