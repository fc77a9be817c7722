import { ptr } from "bun:ffi"
import { describe, expect, test } from "bun:test"
import { whyNoGpu } from "../test/openGpu.ts"
import { openGpuQueue } from "./GpuQueue.ts"

describe.skipIf(whyNoGpu() !== undefined)("GpuQueue", () => {
  test("what was submitted goes on while the next commands are put down, and what became of it is told by the next that waits", () => {
    const queue = openGpuQueue()
    const values = Float32Array.of(1, 2, 3, 4)
    const found = [new Float32Array(4), new Float32Array(4)] as const
    queue.begin()
    const buffer = queue.createBuffer(16)
    queue.write(buffer, ptr(values), 16)
    queue.read(buffer, 0, ptr(found[0]), 16)
    queue.submit()
    queue.read(buffer, 4, ptr(found[1]), 12)
    queue.run()
    expect(found.map((of) => [...of])).toEqual([
      [1, 2, 3, 4],
      [2, 3, 4, 0],
    ])
    queue.read(buffer, 2 ** 20, ptr(found[0]), 16)
    queue.submit()
    expect(() => queue.run()).toThrow(/^gpu: /)
    expect(queue.isLost).toBe(true)
    queue.begin()
    expect(queue.numBuffers).toBe(0)
    queue.close()
  })
})
