/** Slots whose keys and values lie side by side on the device: what a batch reaches, and what steps leave there. */
import { afterAll, describe, expect, test } from "bun:test"
import {
  type AttentionLayer,
  cacheMemory,
  type CacheFormat,
  type CacheRows,
  createArena,
  type Rows,
  type SlotRows,
} from "@consilium/kernels"
import { noise } from "@consilium/tensor"
import { whyNoGpu } from "../test/openGpu.ts"
import { createGpuBackend, type GpuBackend } from "./index.ts"

function planLayer(numKvHeads: number, slidingWindow = Number.POSITIVE_INFINITY): AttentionLayer {
  const [numHeads, headDim] = [2 * numKvHeads, 32]
  return { numHeads, numKvHeads, headDim, scale: 0.2, slidingWindow, rope: undefined, qkNorm: undefined }
}
const qkvWidth = ({ numHeads, numKvHeads, headDim }: AttentionLayer): number => (numHeads + 2 * numKvHeads) * headDim

describe.skipIf(whyNoGpu() !== undefined)("attendBatches", () => {
  const arena = createArena()
  let opened!: GpuBackend
  const gpu = (): GpuBackend => (opened ??= createGpuBackend(arena))
  afterAll(() => {
    opened?.close()
    arena.close()
  })

  const takeCache = ({ numKvHeads, headDim }: AttentionLayer, format: CacheFormat, capacity: number) => {
    const take = (): CacheRows => arena.cacheRows(format, numKvHeads * capacity, headDim)
    return { capacity, keys: take(), values: take() }
  }
  /** Numbers of around 1, in f32 or in pairs of bf16. */
  const fill = (rows: CacheRows, seed: number): void => {
    const memory = cacheMemory(rows)
    const [low, high] = [1, 2].map((of) => noise(memory.length, 2 * seed + of, 1))
    const raw = new Float32Array(memory.buffer, memory.byteOffset, memory.length)
    raw.set(high!)
    if ("values" in rows) return
    const [words, lower] = [rows.words, new Int32Array(low!.buffer)]
    for (let i = 0; i < words.length; i++) words[i] = (words[i]! & 0xffff_0000) | (lower[i]! >>> 16)
  }

  // Capacities of two sizes lie in two heaps; even slots are so many that a batch is not split, as each is alone.
  const ragged = Array.from({ length: 20 }, (_, s) => {
    return { numRows: s === 7 ? 40 : s === 11 ? 3 : 1, pastLength: (s * 137) % 560, capacity: s % 3 === 1 ? 608 : 640 }
  })
  const even = Array.from({ length: 20 }, (_, s) => ({ numRows: 1, pastLength: 130 + s, capacity: 160 }))
  test.each([
    ["f32", "ragged", ragged, planLayer(2)],
    ["bf16/8", "ragged", ragged, planLayer(2, 100)],
    ["bf16/16", "ragged", ragged, planLayer(2)],
    ["f32", "even", even, planLayer(16)],
  ] as const)("over caches in %s, each of 20 %s slots has the bits that it has alone", (format, _, shape, layer) => {
    const width = qkvWidth(layer)
    let numRows = 0
    const slots: SlotRows[] = shape.map((slot) => {
      numRows += slot.numRows
      return { ...slot, ...takeCache(layer, format, slot.capacity), firstRow: numRows - slot.numRows }
    })
    const [qkv, out] = [arena.rows(numRows, width), arena.rows(numRows, layer.numHeads * layer.headDim)]
    const caches = slots.flatMap(({ keys, values }) => [keys, values])
    const run = (batches: readonly (readonly SlotRows[])[]) => {
      qkv.values.set(noise(qkv.values.length, 1, 1))
      out.values.fill(0)
      for (const [i, cache] of caches.entries()) {
        fill(cache, i)
        gpu().wrote!(cache as Rows)
      }
      for (const batch of batches) gpu().attend(out, qkv, batch, layer)
      return { out: out.values.slice(), caches: caches.map((cache) => cacheMemory(cache).slice()) }
    }
    const together = run([slots])
    expect(together).toEqual(run(slots.map((slot) => [slot])))
    expect(together.out.every((value) => Number.isFinite(value) && value !== 0)).toBe(true)
    for (const { span } of [qkv, out, ...caches]) arena.free(span)
  })

  test("keys and values stay what they are while more come to their heap, and a prefix that is copied within it is read as its original", () => {
    const layer = planLayer(2)
    const [width, outWidth, numRows] = [qkvWidth(layer), layer.numHeads * layer.headDim, 71]
    const raw = noise(numRows * width, 5, 1)
    const [qkv, out] = [arena.rows(numRows, width), arena.rows(numRows, outWidth)]
    const take = () => takeCache(layer, "f32", 96)
    /** One step of one slot; returns the last row of out. */
    const step = (cache: ReturnType<typeof take>, from: number, to: number, before = () => {}): Float32Array => {
      gpu().beginStep!()
      before()
      qkv.values.set(raw.subarray(from * width, to * width))
      const slot = { ...cache, firstRow: 0, numRows: to - from, pastLength: from }
      gpu().attend(out, qkv, [slot], layer)
      gpu().read!(out, to - from)
      gpu().endStep!()
      return out.values.slice((to - from - 1) * outWidth, (to - from) * outWidth)
    }
    const whole = step(take(), 0, numRows)
    const first = take()
    step(first, 0, numRows - 1)
    for (let i = 0; i < 12; i++) step(take(), 0, 1)
    const copied = take()
    const copyPrefix = (): void => {
      for (const rows of ["keys", "values"] as const)
        for (const head of [0, 1]) gpu().copyRows!(copied[rows], head * 96, first[rows], head * 96, numRows - 1)
    }
    expect(step(copied, numRows - 1, numRows, copyPrefix)).toEqual(whole)
    expect(step(first, numRows - 1, numRows)).toEqual(whole)
  })
})
