import { describe, expect, test } from "bun:test"
import { createArena, packMatrixSlab, planMatrixSlab } from "@consilium/kernels"
import { whyNoGpu } from "../test/openGpu.ts"
import { createGpuBackend, findGpuAdapter, measureGpuLimits } from "./index.ts"

describe.skipIf(whyNoGpu() !== undefined)("measureGpuLimits", () => {
  test("reads, multiplies and adds at some rate, in every round", () => {
    const limits = measureGpuLimits()
    for (const samples of [limits.readBytesPerSec, limits.f32FlopsPerSec, limits.int8OpsPerSec]) {
      expect(samples.length).toBe(8)
      expect(samples.every((perSec) => perSec > 0 && Number.isFinite(perSec))).toBe(true)
    }
  })

  test("an adapter has a model that can stand in a path, and is closed again", () => {
    expect(findGpuAdapter().model).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/)
  })

  test("a backend counts its kernels' time where it is asked to, less than the calls take, and nothing where it is not", () => {
    const arena = createArena()
    const layout = planMatrixSlab({ format: "f32", numRows: 256, numColumns: 256, hasBias: false })
    const span = arena.allocate(layout.bytes)
    packMatrixSlab(arena.bytes(span), layout, new Float32Array(256 * 256))
    const [x, out] = [arena.rows(8, 256), arena.rows(8, 256)]
    const timed = createGpuBackend(arena, { timesKernels: true })
    const plain = createGpuBackend(arena)
    try {
      const slab = timed.openSlab(span, layout)
      const started = performance.now()
      timed.matmul(out, x, 8, slab)
      expect(timed.kernelMs!()).toBeGreaterThan(0)
      expect(timed.kernelMs!()).toBeLessThan(performance.now() - started)
      expect(plain.kernelMs).toBeUndefined()
    } finally {
      for (const backend of [timed, plain]) backend.close()
      arena.close()
    }
  })
})
