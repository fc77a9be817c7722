import type { AttentionLayer, CacheRows, Rows, SlotRows } from "@consilium/kernels"
import type { Tensor } from "onnxruntime-common"
import { chunkAttention, decodeAttention } from "./attentionGraphs.ts"
import { encodeGraph } from "./graph.ts"
import { tensorOf } from "./Scratch.ts"
import { createSession } from "./Session.ts"

/** Runs attention of one kind of layer for a slot whose keys and values are in its cache already. */
export interface AttentionRunner {
  run(out: Rows, qkv: Rows, slot: SlotRows): void
  close(): void
}

/** Scores that one call computes at most: longer chunks come in pieces. */
const MAX_SCORES = 2 ** 25
/** Fewer rows than this are attended one by one: a row alone is 2 to 4 times sooner done without the operator's copies. */
const LEAST_CHUNK = 4

/** Tells layers that can share sessions from those that cannot. */
export function attentionKey({ numHeads, numKvHeads, headDim, scale, slidingWindow }: AttentionLayer): string {
  return [numHeads, numKvHeads, headDim, scale, slidingWindow].join(" ")
}

/** Creates the sessions that layers of this kind share. */
export function createAttentionRunner(layer: AttentionLayer, numThreads: number): AttentionRunner {
  const { numHeads, numKvHeads, headDim, slidingWindow } = layer
  const [inWidth, outWidth] = [(numHeads + 2 * numKvHeads) * headDim, numHeads * headDim]
  const rowShape = [numKvHeads, numHeads / numKvHeads, headDim]
  const decode = createSession(encodeGraph(decodeAttention(layer)), 1)
  const chunk = createSession(encodeGraph(chunkAttention(layer, slidingWindow)), numThreads)
  const [begin, end] = [new BigInt64Array(1), new BigInt64Array(1)]
  const [last, total] = [new Int32Array(1), new Int32Array(1)]
  const rowRange = { begin: tensorOf(begin, [1]), end: tensorOf(end, [1]) }
  const chunkRange = { last: tensorOf(last, [1]), total: tensorOf(total, []) }
  /** A cache's tensor, made once a slot. */
  const caches = new WeakMap<CacheRows, Tensor>()

  const cacheTensor = (rows: CacheRows, capacity: number): Tensor => {
    if ("words" in rows) throw new Error(`onnx: expected a cache of f32, found ${rows.format}`)
    const known = caches.get(rows)
    if (known !== undefined) return known
    const made = tensorOf(rows.values, [numKvHeads, capacity, headDim])
    caches.set(rows, made)
    return made
  }

  const runRow = (out: Rows, qkv: Rows, row: number, position: number, { keys, values, capacity }: SlotRows): void => {
    begin[0] = BigInt(Math.max(0, position - slidingWindow + 1))
    end[0] = BigInt(position + 1)
    const q = tensorOf(qkv.values.subarray(row * inWidth, row * inWidth + outWidth), rowShape)
    const y = tensorOf(out.values.subarray(row * outWidth, (row + 1) * outWidth), rowShape)
    const [keyCache, valueCache] = [cacheTensor(keys, capacity), cacheTensor(values, capacity)]
    decode.run({ q, keyCache, valueCache, ...rowRange }, { y })
  }

  const runChunk = (out: Rows, qkv: Rows, row: number, rows: number, position: number, slot: SlotRows): void => {
    const first = Math.max(0, position - slidingWindow + 1)
    begin[0] = BigInt(first)
    end[0] = BigInt(position)
    last[0] = position - first + rows - 1
    total[0] = position - first + rows
    const input = tensorOf(qkv.values.subarray(row * inWidth, (row + rows) * inWidth), [1, rows, inWidth])
    const y = tensorOf(out.values.subarray(row * outWidth, (row + rows) * outWidth), [1, rows, outWidth])
    const [keyCache, valueCache] = [cacheTensor(slot.keys, slot.capacity), cacheTensor(slot.values, slot.capacity)]
    chunk.run({ qkv: input, keyCache, valueCache, ...rowRange, ...chunkRange }, { y })
  }

  return {
    run(out, qkv, slot) {
      const { firstRow, numRows, pastLength } = slot
      const rowsAtOnce = Math.max(LEAST_CHUNK, Math.floor(MAX_SCORES / numHeads / (pastLength + numRows)))
      for (let done = 0; done < numRows;) {
        const rows = Math.min(rowsAtOnce, numRows - done)
        if (rows >= LEAST_CHUNK) runChunk(out, qkv, firstRow + done, rows, pastLength + done, slot)
        else for (let r = done; r < done + rows; r++) runRow(out, qkv, firstRow + r, pastLength + r, slot)
        done += rows
      }
    },
    close() {
      decode.close()
      chunk.close()
    },
  }
}
