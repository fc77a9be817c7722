import { describe, expect, test } from "bun:test"
import { noise, quantizeActivationRow } from "@consilium/tensor"
import { quantizeRows } from "./quantizeRows.ts"

function quantize(x: Float32Array, numRows: number, stride: number): { values: Uint8Array; scales: Float32Array } {
  const out = { values: new Uint8Array(numRows * stride), scales: new Float32Array(numRows) }
  quantizeRows(out, x, 0, { numRows, width: x.length / numRows, stride })
  return out
}

describe("quantizeRows", () => {
  test("gives the reference's integers, moved up by 128, and its scales; padding is 128", () => {
    const [numRows, width, stride] = [20, 37, 64]
    const x = noise(numRows * width, 1, 1)
    // Halves of the last row, whose scale is 1, round to even; the row before is zeros.
    x.fill(0, 18 * width)
    x.set([127, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5], 19 * width)
    const { values, scales } = quantize(x, numRows, stride)
    for (let row = 0; row < numRows; row++) {
      const expected = new Int8Array(stride)
      expect(scales[row]!).toBe(quantizeActivationRow(expected, 0, x, row * width, width))
      expect([...values.subarray(row * stride, (row + 1) * stride)]).toEqual([...expected].map((q) => q + 128))
    }
  })

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    "%p makes its row's scale NaN, wherever it stands",
    (fault) => {
      for (const at of [0, 1, 7]) {
        const x = noise(16, 2, 1)
        x[at] = fault
        const { scales } = quantize(x, 2, 8)
        expect([Number.isNaN(scales[0]), Number.isFinite(scales[1])]).toEqual([true, true])
      }
    },
  )
})
