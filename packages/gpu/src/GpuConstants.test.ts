import { expect, test } from "bun:test"
import { createGpuConstants } from "./GpuConstants.ts"
import type { GpuQueue } from "./GpuQueue.ts"

/** A queue that counts buffers, and does nothing with them. */
function createCountingQueue() {
  const buffers = new Set<number>()
  let numIds = 0
  const queue = {
    generation: 1,
    createBuffer: () => (buffers.add(numIds), numIds++),
    destroyBuffer: (buffer: number) => void buffers.delete(buffer),
    write: () => {},
  }
  return { queue, buffers, constants: createGpuConstants(queue as unknown as GpuQueue) }
}

test("GpuConstants: an array has one buffer, and another on the next device", () => {
  const { queue, buffers, constants } = createCountingQueue()
  const [weights, angles] = [Float32Array.of(1, 2), Float32Array.of(1, 2)]
  const first = constants.take(weights)
  expect(constants.take(angles)).not.toBe(first)
  expect(constants.take(weights)).toBe(first)
  expect([buffers.size, constants.bytes]).toEqual([2, 16])

  queue.generation++
  expect(constants.bytes).toBe(0)
  expect(constants.take(weights)).not.toBe(first)
  expect(constants.bytes).toBe(8)
})

test("GpuConstants: buffers of arrays that nobody holds are given back", async () => {
  const { buffers, constants } = createCountingQueue()
  const takeMany = (): void => {
    for (let i = 0; i < 100; i++) constants.take(new Float32Array(1000))
  }
  takeMany()
  for (let i = 0; i < 50 && buffers.size > 50; i++) {
    Bun.gc(true)
    await new Promise((resolve) => setImmediate(resolve))
    constants.take(new Float32Array(1000))
  }
  expect(buffers.size).toBeLessThanOrEqual(50)
  expect(constants.bytes).toBe(buffers.size * 4000)
})
