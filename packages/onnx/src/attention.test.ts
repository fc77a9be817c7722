import { afterAll, describe, expect, test } from "bun:test"
import { type AttentionLayer, type Backend, createArena, createReferenceBackend } from "@consilium/kernels"
import { noise } from "@consilium/tensor"
import { createOnnxBackend } from "./index.ts"

const arena = createArena({})
const onnx = createOnnxBackend(arena, { numThreads: 2 })
const reference = createReferenceBackend(arena)
afterAll(() => {
  onnx.close()
  arena.close()
})

const [NUM_ROWS, CAPACITY] = [41, 64]
const LAYER: AttentionLayer = {
  numHeads: 6,
  numKvHeads: 2,
  headDim: 24,
  scale: 0.3,
  rope: undefined,
  slidingWindow: Number.POSITIVE_INFINITY,
  qkNorm: undefined,
}
const [IN_WIDTH, OUT_WIDTH] = [(6 + 2 * 2) * 24, 6 * 24]

/** Attends `NUM_ROWS` rows of two slots side by side, `chunk` rows of each at a time. */
function attendInChunks(backend: Backend, layer: AttentionLayer, chunk: number): Float32Array {
  const cache = () => ({
    keys: arena.rows(layer.numKvHeads * CAPACITY, layer.headDim),
    values: arena.rows(layer.numKvHeads * CAPACITY, layer.headDim),
  })
  const caches = [cache(), cache()]
  const all = new Float32Array(2 * NUM_ROWS * OUT_WIDTH)
  const qkv = [0, 1].map((slot) => noise(NUM_ROWS * IN_WIDTH, slot + 1, 1))
  for (let pastLength = 0; pastLength < NUM_ROWS; pastLength += chunk) {
    const numRows = Math.min(chunk, NUM_ROWS - pastLength)
    const [x, out] = [arena.rows(2 * numRows, IN_WIDTH), arena.rows(2 * numRows, OUT_WIDTH)]
    const slots = caches.map((own, slot) => {
      const rows = qkv[slot]!.subarray(pastLength * IN_WIDTH, (pastLength + numRows) * IN_WIDTH)
      x.values.set(rows, slot * numRows * IN_WIDTH)
      return { ...own, firstRow: slot * numRows, numRows, pastLength, capacity: CAPACITY }
    })
    backend.attend(out, x, slots, layer)
    for (const slot of [0, 1]) {
      const rows = out.values.subarray(slot * numRows * OUT_WIDTH, (slot + 1) * numRows * OUT_WIDTH)
      all.set(rows, (slot * NUM_ROWS + pastLength) * OUT_WIDTH)
    }
    for (const { span } of [x, out]) arena.free(span)
  }
  for (const { keys, values } of caches) for (const { span } of [keys, values]) arena.free(span)
  return all
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - b[i]!)), 0)
}

describe("attention", () => {
  for (const slidingWindow of [Number.POSITIVE_INFINITY, 1, 5, 40]) {
    const layer = { ...LAYER, slidingWindow }
    const expected = attendInChunks(reference, layer, NUM_ROWS)
    test.each([NUM_ROWS, 16, 7, 1])(
      `two slots in chunks of %d are the reference's, window ${slidingWindow}`,
      (chunk) => {
        expect(largestDifference(attendInChunks(onnx, layer, chunk), expected)).toBeLessThan(1e-5)
      },
    )
  }

  test("a chunk costs what its slot holds, not what the cache could hold", () => {
    const capacity = 32_768
    const layer = { ...LAYER, numKvHeads: 3, headDim: 128 }
    const [keys, values] = [arena.rows(3 * capacity, 128), arena.rows(3 * capacity, 128)]
    const [x, out] = [arena.rows(8, 12 * 128), arena.rows(8, 6 * 128)]
    const attend = () =>
      onnx.attend(out, x, [{ firstRow: 0, numRows: 8, pastLength: 8, capacity, keys, values }], layer)
    attend()
    const before = process.memoryUsage.rss()
    for (let i = 0; i < 8; i++) attend()
    // One copy of both caches is 100 MB.
    expect(process.memoryUsage.rss() - before).toBeLessThan(50 * 2 ** 20)
    for (const { span } of [keys, values, x, out]) arena.free(span)
  })
})
