import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import {
  createInt4Blocks,
  dequantizeInt4Blocks,
  dequantizeInt8Row,
  noise,
  quantizeActivationRow,
  quantizeInt4Blocks,
  quantizeInt8Row,
} from "./index.ts"

const meanSquare = (a: Float32Array, b: Float32Array): number =>
  a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0) / a.length

function int4Error(weights: Float32Array): number {
  const blocks = createInt4Blocks(weights.length / 32)
  quantizeInt4Blocks(blocks, weights)
  const back = new Float32Array(weights.length)
  dequantizeInt4Blocks(back, blocks)
  return meanSquare(back, weights)
}

/** Plain rounding of blocks of 32, by a zero point of 8 or by the block's own range. */
function plainError(weights: Float32Array, isSymmetric: boolean): number {
  const back = weights.slice()
  for (let first = 0; first < weights.length; first += 32) {
    const block = weights.subarray(first, first + 32)
    const [low, high] = [Math.min(0, ...block), Math.max(0, ...block)]
    const scale = isSymmetric ? Math.max(high, -low) / 7 : (high - low) / 15
    const zeroPoint = isSymmetric ? 8 : Math.round(-low / scale)
    for (let i = 0; i < 32; i++) {
      const q = Math.min(15, Math.max(0, Math.round(block[i]! / scale) + zeroPoint))
      back[first + i] = scale === 0 ? 0 : scale * (q - zeroPoint)
    }
  }
  return meanSquare(back, weights)
}

describe("quantizeInt4Blocks", () => {
  const normal = noise(32 * 400, 1, 1)
  const shifted = normal.map((value) => value + 0.7)
  const outliers = normal.map((value, i) => (i % 32 === 5 ? value * 6 : value))

  test.each([
    ["normal", normal],
    ["shifted", shifted],
    ["with outliers", outliers],
  ] as const)("%s weights: less error than plain rounding, symmetric or with a zero point", (_, weights) => {
    const found = int4Error(weights)
    expect(found).toBeLessThan(0.95 * plainError(weights, true))
    expect(found).toBeLessThan(0.95 * plainError(weights, false))
  })

  test("no block, of any shape, is worse than plain rounding", () => {
    const weights = fc.array(fc.float({ min: -4, max: 4, noNaN: true }), { minLength: 32, maxLength: 32 })
    fc.assert(
      fc.property(weights, fc.float({ min: -8, max: 8, noNaN: true }), (values, shift) => {
        const block = Float32Array.from(values, (value) => value + shift)
        const found = int4Error(block)
        const roundingOfScale = 1e-6 * (meanSquare(block, new Float32Array(32)) + Number.MIN_VALUE)
        expect(found).toBeLessThanOrEqual(plainError(block, true) + roundingOfScale)
        expect(found).toBeLessThanOrEqual(plainError(block, false) + roundingOfScale)
      }),
    )
  })

  test("a block on a grid of its own comes back exactly, two blocks to a byte of zero points", () => {
    const block = Float32Array.from({ length: 64 }, (_, i) => (i < 32 ? 0.25 * ((i % 16) - 5) : -0.5 * ((i % 16) - 11)))
    const blocks = createInt4Blocks(2)
    quantizeInt4Blocks(blocks, block)
    expect([...blocks.scales]).toEqual([0.25, 0.5])
    expect([...blocks.zeroPoints]).toEqual([5 | (4 << 4)])
    expect([...blocks.values.subarray(0, 3)]).toEqual([0x10, 0x32, 0x54])
    const back = new Float32Array(64)
    dequantizeInt4Blocks(back, blocks)
    expect([...back].map((value) => value + 0)).toEqual([...block].map((value) => value + 0))
  })

  test("zeros, and what is too small for an f32 scale, become zeros", () => {
    const blocks = createInt4Blocks(2)
    quantizeInt4Blocks(blocks, new Float32Array(64).fill(1.4e-45, 32))
    expect([...blocks.scales]).toEqual([0, 0])
    expect([...blocks.zeroPoints]).toEqual([0x88])
  })

  test("zero stays exactly zero, in any block", () => {
    const weights = fc.array(fc.float({ min: -4, max: 4, noNaN: true }), { minLength: 32, maxLength: 32 })
    fc.assert(
      fc.property(weights, fc.nat({ max: 31 }), (values, place) => {
        const block = Float32Array.from(values)
        block[place] = 0
        const blocks = createInt4Blocks(1)
        quantizeInt4Blocks(blocks, block)
        const back = new Float32Array(32)
        dequantizeInt4Blocks(back, blocks)
        expect(back[place]! + 0).toBe(0)
      }),
    )
  })

  test("what is not finite, or not whole blocks, is an error", () => {
    const blocks = createInt4Blocks(1)
    expect(() => quantizeInt4Blocks(blocks, new Float32Array(33))).toThrow("multiple of 32")
    expect(() =>
      quantizeInt4Blocks(
        blocks,
        Float32Array.from({ length: 32 }, (_, i) => (i === 9 ? Number.NaN : 1)),
      ),
    ).toThrow("NaN")
  })
})

describe("8-bit rows", () => {
  test("a weight row comes back within half a step", () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ min: -100, max: 100, noNaN: true }), { minLength: 1, maxLength: 50 }),
        (values) => {
          const row = Float32Array.from(values)
          const quantized = new Int8Array(row.length)
          const scale = quantizeInt8Row(quantized, row)
          const back = new Float32Array(row.length)
          dequantizeInt8Row(back, 0, quantized, 0, row.length, scale)
          back.forEach((value, i) => expect(Math.abs(value - row[i]!)).toBeLessThanOrEqual(scale * 0.5001 + 1e-30))
        },
      ),
    )
  })

  test("a row of zeros has scale 0, and only its own part of the buffers is touched", () => {
    const out = new Int8Array(6).fill(7)
    expect(quantizeActivationRow(out, 1, Float32Array.of(9, 0, 0, 9), 1, 2)).toBe(0)
    expect([...out]).toEqual([7, 0, 0, 7, 7, 7])
    expect(quantizeActivationRow(out, 4, Float32Array.of(9, 2, -1), 1, 2)).toBe(Math.fround(2 / 127))
    expect([...out]).toEqual([7, 0, 0, 7, 127, -64])
    expect(quantizeActivationRow(out, 0, Float32Array.of(1, Number.NaN), 0, 2)).toBeNaN()
  })

  test("halves round to even, and a row that is not finite shows in its scale", () => {
    const out = new Int8Array(4)
    const scale = quantizeActivationRow(out, 0, Float32Array.of(127, 0.5, 1.5, -2.5), 0, 4)
    expect([scale, ...out]).toEqual([1, 127, 0, 2, -2])
    expect(quantizeActivationRow(out, 0, Float32Array.of(1, Number.POSITIVE_INFINITY, 0, 0), 0, 4)).toBeNaN()
    expect(() => quantizeInt8Row(out, Float32Array.of(1, Number.NaN, 0, 0))).toThrow("column 1")
  })
})
