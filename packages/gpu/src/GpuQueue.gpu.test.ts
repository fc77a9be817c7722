import { ptr } from "bun:ffi"
import { describe, expect, test } from "bun:test"
import { readdirSync } from "node:fs"
import { whyNoGpu } from "../test/openGpu.ts"
import { openGpuQueue } from "./GpuQueue.ts"
import { PLAIN_PROBE } from "./probes.ts"

/** The probe, with parameters and the bindings of a queue's kernels. */
const CODE = PLAIN_PROBE.code.replace(
  "@group(0) @binding(0)",
  "@group(0) @binding(0) var<uniform> shape: u32;\n@group(0) @binding(1)",
)

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

  test("kernels of a lost device are there again on the next; one that was refused spoils nothing", () => {
    const queue = openGpuQueue()
    const found = new Float32Array(PLAIN_PROBE.answers.length)
    const probe = (): number[] => {
      found.fill(0)
      const [kernel, out] = [queue.createKernel(CODE), queue.createBuffer(found.byteLength)]
      queue.dispatch(kernel, [1, 1], [], [out])
      queue.read(out, 0, ptr(found), found.byteLength)
      queue.run()
      return [...found]
    }
    queue.begin()
    expect(probe()).toEqual([...PLAIN_PROBE.answers])
    queue.createKernel("no kernel")
    expect(() => queue.run()).toThrow(/^gpu: /)
    for (let n = 0; n < 2; n++) {
      queue.begin()
      expect(probe()).toEqual([...PLAIN_PROBE.answers])
      queue.lose()
      expect(() => queue.run()).toThrow("lost")
    }
    queue.close()
  })

  test.skipIf(process.platform !== "linux")("threads of lost devices end", () => {
    const queue = openGpuQueue()
    const numThreads = (): number => readdirSync("/proc/self/task").length
    const loseAndOpen = (): void => {
      queue.createKernel(CODE)
      queue.run()
      queue.lose()
      expect(() => queue.run()).toThrow("lost")
      queue.begin()
    }
    for (let n = 0; n < 4; n++) loseAndOpen()
    const before = numThreads()
    for (let n = 0; n < 24; n++) loseAndOpen()
    // Two for each device that compiled side by side.
    expect(numThreads()).toBeLessThan(before + 12)
    queue.close()
  })
})
