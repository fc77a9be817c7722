import { describe, expect, test } from "bun:test"
import {
  type Arena,
  BACKEND_CASES,
  checkCase,
  createArena,
  createReferenceBackend,
  packMatrixSlab,
  planMatrixSlab,
} from "@consilium/kernels"
import { noise } from "@consilium/tensor"
import { whyNoGpu } from "../test/openGpu.ts"
import type { GpuFeature } from "./GpuFeatures.ts"
import { createGpuBackend, type GpuBackend } from "./index.ts"

const SINGLE: readonly GpuFeature[] = ["subgroups", "int8-matrices", "float16-matrices"]

function withFeatures<T>(allowedFeatures: readonly GpuFeature[], body: (gpu: GpuBackend, arena: Arena) => T): T {
  const arena = createArena()
  const gpu = createGpuBackend(arena, { allowedFeatures })
  try {
    return body(gpu, arena)
  } finally {
    gpu.close()
    arena.close()
  }
}

/** Whether the adapter has a feature, and its known answers are right; says so where not. */
function isThere(feature: GpuFeature): boolean {
  return withFeatures([feature], ({ adapter: { name, features } }) => {
    const component = { subgroups: undefined, "int8-matrices": "i8", "float16-matrices": "f16" }[feature]
    const isUsed = component === undefined ? features.hasSubgroups : features.matrixUnit?.component === component
    if (!isUsed) console.log(`gpu: ${feature} not tested, ${name} has none that is right`)
    return isUsed
  })
}

/** The bits of rows that were normed, and multiplied with matrices whose sums of products are almost as large as they get, beyond what floats sum exactly. */
function bitsOf(gpu: GpuBackend, arena: Arena): Uint32Array {
  const [numRows, width, outWidth] = [71, 2240, 100]
  const [x, normed] = [arena.rows(numRows, width), arena.rows(numRows, width)]
  const out = arena.rows(numRows, outWidth)
  const found: number[] = []
  const keep = (values: Float32Array): void => void found.push(...new Uint32Array(values.slice().buffer))
  x.values.set(noise(numRows * width, 1, 1))
  x.values.set(
    noise(width, 5, 0.1).map((value) => 3 + value),
    width,
  )
  gpu.norm(normed, x, numRows, noise(width, 2, 1), 1e-6)
  keep(normed.values)
  for (const format of ["int8", "int4"] as const) {
    for (const weights of [
      noise(outWidth * width, 3, 0.1),
      noise(outWidth * width, 6, 0.02).map((value) => value - 0.5),
    ]) {
      const layout = planMatrixSlab({ format, numRows: outWidth, numColumns: width, hasBias: true })
      const span = arena.allocate(layout.bytes)
      packMatrixSlab(arena.bytes(span), layout, weights, noise(outWidth, 4, 0.1))
      const slab = gpu.openSlab(span, layout)
      gpu.matmul(out, x, numRows, slab)
      keep(out.values)
      gpu.closeSlab(slab)
    }
  }
  return Uint32Array.from(found)
}

const isMissing = whyNoGpu() !== undefined
describe.skipIf(isMissing)("variants by a device's features", () => {
  test("without any, the table holds", () => {
    withFeatures([], (gpu, arena) => {
      expect(gpu.adapter.features).toMatchObject({ hasSubgroups: false })
      const reference = createReferenceBackend(arena)
      for (const item of BACKEND_CASES) expect(checkCase(item, gpu, reference), item.name).toBeUndefined()
    })
  }, 300_000)

  for (const feature of SINGLE) {
    test.skipIf(isMissing || !isThere(feature))(`with ${feature} alone, results have the same bits as without`, () => {
      expect(withFeatures([feature], bitsOf)).toEqual(withFeatures([], bitsOf))
    })
  }
})
