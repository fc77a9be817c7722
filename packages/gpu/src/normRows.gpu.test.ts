import { describe, expect, test } from "bun:test"
import { createReferenceBackend } from "@consilium/kernels"
import { noise } from "@consilium/tensor"
import { whyNoGpu, withGpu } from "../test/openGpu.ts"

const [T, WIDTH] = [5, 700]

describe.skipIf(whyNoGpu() !== undefined)("normRows and addScaledRows", () => {
  test("rows wider than a workgroup are as the reference has them, with the same bits alone; a NaN stays in its row", () => {
    withGpu((gpu, arena) => {
      const reference = createReferenceBackend(arena)
      const weight = noise(WIDTH, 2, 1)
      const factors = Float32Array.of(0.5, -2, 0, 1, 3)
      const [x, out] = [arena.rows(T, WIDTH), arena.rows(T, WIDTH)]
      const run = (backend: typeof reference, values: Float32Array, ownFactors: Float32Array): Float32Array => {
        x.values.set(values)
        out.values.fill(0.25)
        const numRows = values.length / WIDTH
        backend.norm(x, x, numRows, weight, 1e-5)
        backend.norm(out, x, numRows, weight, 1e-5)
        backend.addScaled(out, x, numRows, ownFactors)
        backend.addScaled(out, x, numRows)
        return out.values.slice(0, numRows * WIDTH)
      }
      const values = noise(T * WIDTH, 1, 1)
      const [expected, together] = [run(reference, values, factors), run(gpu, values, factors)]
      const worst = together.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0)
      expect(worst).toBeLessThan(1e-4)

      for (let row = 0; row < T; row++) {
        const [from, to] = [row * WIDTH, (row + 1) * WIDTH]
        const alone = run(gpu, values.subarray(from, to), factors.subarray(row))
        expect(alone).toEqual(together.subarray(from, to))
      }
      values[2 * WIDTH + 650] = Number.NaN
      const spoilt = run(gpu, values, factors)
      for (let row = 0; row < T; row++) {
        const own = spoilt.subarray(row * WIDTH, (row + 1) * WIDTH)
        if (row === 2) expect(own.every(Number.isNaN)).toBe(true)
        else expect(own).toEqual(together.subarray(row * WIDTH, (row + 1) * WIDTH))
      }
    })
  })
})
