import { beforeEach, expect, test } from "bun:test"
import { createGpuHeaps, type GpuHeaps } from "./GpuHeaps.ts"
import type { GpuQueue } from "./GpuQueue.ts"

/** A queue that keeps buffers as a device does, and counts bytes copied. */
const queue = {
  generation: 1,
  adapter: { name: "none", isSoftware: true, maxBufferBytes: 4096 },
  buffers: new Map<number, number>(),
  numIds: 0,
  copiedBytes: 0,
  createBuffer(bytes: number) {
    queue.buffers.set(queue.numIds, bytes)
    return queue.numIds++
  },
  destroyBuffer: (buffer: number) => void queue.buffers.delete(buffer),
  copy: (_from: number, _fromOffset: number, _to: number, _toOffset: number, bytes: number) =>
    void (queue.copiedBytes += bytes),
}
let heaps!: GpuHeaps
beforeEach(() => {
  queue.generation = 1
  queue.buffers.clear()
  queue.copiedBytes = 0
  heaps = createGpuHeaps(queue as unknown as GpuQueue, 2 ** 20)
})

const deviceBytes = (): number => [...queue.buffers.values()].reduce((sum, bytes) => sum + bytes, 0)

test("GpuHeaps: slabs of one size share a heap, which grows up to the adapter's largest buffer", () => {
  const places = Array.from({ length: 10 }, () => heaps.take(512))
  expect(places.map(({ word }) => word)).toEqual([0, 128, 256, 384, 512, 640, 768, 896, 0, 128])
  expect(new Set(places.slice(0, 8).map(({ heap }) => heap)).size).toBe(1)
  expect([...queue.buffers.values()]).toEqual([4096, 1024])
  expect(places.map(({ heap }) => queue.buffers.has(heap.buffer))).not.toContain(false)
  expect(queue.copiedBytes).toBe(512 * (1 + 2 + 3 + 4 + 5 + 6 + 7 + 1))
  expect(heaps.bytes).toBe(deviceBytes())
})

test("GpuHeaps: an eighth of a heap is empty at most, and copies are some eight times what it holds", () => {
  for (let taken = 4; taken <= 4096; taken += 4) {
    heaps.take(4)
    expect(heaps.bytes).toBeLessThanOrEqual(Math.max(taken, 4 * Math.ceil((taken / 4) * (9 / 8))))
  }
  expect(queue.copiedBytes).toBeLessThan(10 * 4096)
})

test("GpuHeaps: one slab takes its bytes and no more, and sizes do not mix", () => {
  const [large, small] = [heaps.take(4096), heaps.take(64)]
  expect(large.heap).not.toBe(small.heap)
  expect(heaps.bytes).toBe(4096 + 64)
})

test("GpuHeaps: a place that was given back is taken again, and a heap without slabs is destroyed", () => {
  const places = Array.from({ length: 4 }, () => heaps.take(512))
  heaps.give(places[2]!)
  expect([heaps.numFree(512), heaps.numFree(64)]).toEqual([1, 0])
  expect(heaps.take(512)).toEqual(places[2]!)
  for (const place of places) heaps.give(place)
  expect(deviceBytes()).toBe(0)
  expect(heaps.bytes).toBe(0)
  expect(heaps.take(512).word).toBe(0)
})

test("GpuHeaps: heaps of a device that is gone are forgotten", () => {
  heaps.take(512)
  queue.generation = 2
  queue.buffers.clear()
  expect(heaps.bytes).toBe(0)
  const { heap, word } = heaps.take(512)
  expect(word).toBe(0)
  expect(queue.buffers.has(heap.buffer)).toBe(true)
})
