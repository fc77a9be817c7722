import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import {
  createInt4Quantizer,
  createInt4Row,
  dequantizeInt4Row,
  dequantizeInt8Row,
  importanceOf,
  noise,
  quantizeActivationRow,
  quantizeInt4Row,
  quantizeInt8Row,
  ROTATED_TWICE,
  rotateColumns,
} from "./index.ts"

const meanSquare = (a: Float32Array, b: Float32Array): number =>
  a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0) / a.length

/** Quantises a row and brings it back; checks what every row must hold to. */
function roundTrip(weights: Float32Array): Float32Array {
  const row = createInt4Row(Math.ceil(weights.length / 32) * 32)
  const scale = quantizeInt4Row(row, weights)
  const { values, multipliers, offsets } = row
  values.forEach((q, i) => {
    const [m, c] = [multipliers[i >> 5]!, offsets[i >> 5]!]
    if (q > 15 || m > 15 || q * m + c < 1 || q * m + c > 255)
      throw new Error(`value ${i}: q ${q}, m ${m}, c ${c} leave the bounds`)
  })
  const back = new Float32Array(weights.length)
  dequantizeInt4Row(back, row, scale)
  return back
}

/** Plain rounding of blocks of 32 to 16 levels of the block's own range, in exact arithmetic. */
function plainError(weights: Float32Array): number {
  const back = weights.slice()
  for (let first = 0; first < weights.length; first += 32) {
    const block = weights.subarray(first, first + 32)
    const [low, high] = [Math.min(...block), Math.max(...block)]
    const step = (high - low) / 15
    for (let i = 0; i < block.length; i++)
      back[first + i] = step === 0 ? low : low + step * Math.round((block[i]! - low) / step)
  }
  return meanSquare(back, weights)
}

describe("quantizeInt4Row", () => {
  const normal = noise(32 * 64, 1, 1)
  test.each([
    ["uniform", normal, 1],
    ["shifted", normal.map((value) => value + 0.7), 1],
    ["peaked", normal.map((value) => value ** 3), 1],
    // One scale for all blocks: where one is six times as wide, the steps of the others are coarse.
    ["with outliers", normal.map((value, i) => (i % 320 === 5 ? value * 6 : value)), 1.15],
  ] as const)("%s weights: hardly more error than an f32 scale and minimum for each block", (_, weights, share) => {
    expect(meanSquare(roundTrip(weights), weights)).toBeLessThan(plainError(weights) * share)
  })

  const rows = fc
    .tuple(
      fc.array(fc.float({ min: -4, max: 4, noNaN: true }), { minLength: 1, maxLength: 100 }),
      fc.float({ min: -8, max: 8, noNaN: true }),
      fc.integer({ min: -40, max: 37 }),
    )
    .map(([values, shift, exponent]) => Float32Array.from(values, (value) => (value + shift) * 10 ** exponent))

  test("no block of any row is worse than rounded plainly, in steps that just span it from its smallest value", () => {
    fc.assert(
      fc.property(rows, (weights) => {
        roundTrip(weights)
        const padded = new Float32Array(Math.ceil(weights.length / 32) * 32)
        padded.set(weights)
        const row = createInt4Row(padded.length)
        const scale = quantizeInt4Row(row, weights)
        if (scale === 0) return
        const back = new Float32Array(padded.length)
        dequantizeInt4Row(back, row, scale)
        for (let first = 0; first < padded.length; first += 32) {
          const units = padded.subarray(first, first + 32).map((w) => w / scale)
          const [low, high] = [Math.min(...units), Math.max(...units)]
          const offset = Math.max(-127, Math.round(low))
          const step = Math.min(15, Math.max(1, Math.ceil((high - low) / 15)))
          const most = Math.min(15, Math.floor((127 - offset) / step))
          const plain = units.map((u) => offset + step * Math.max(0, Math.min(most, Math.round((u - offset) / step))))
          const found = back.subarray(first, first + 32).map((w) => w / scale)
          // The search knows weights to a sixteenth of the scale, and steps to 1/32.
          const slack = 1 / 16 + step / 32
          expect(Math.sqrt(meanSquare(found, units))).toBeLessThanOrEqual(Math.sqrt(meanSquare(plain, units)) + slack)
        }
      }),
    )
  })

  test("createInt4Quantizer: any row has the bits of the plain one, and its errors, columns of any importance", () => {
    const scales = fc.option(fc.array(fc.float({ min: 0, max: 100, noNaN: true }), { minLength: 1, maxLength: 128 }))
    fc.assert(
      fc.property(fc.array(rows, { minLength: 1, maxLength: 4 }), scales, (matrix, sizes) => {
        const inputScales = sizes === null ? undefined : Float32Array.from(sizes)
        const quantizer = createInt4Quantizer(128, inputScales)
        for (const weights of matrix) {
          const row = createInt4Row(Math.ceil(weights.length / 32) * 32)
          const { values, multipliers, offsets } = quantizer.row
          const scale = quantizeInt4Row(row, weights, inputScales && importanceOf(inputScales, 128))
          expect(quantizer.quantize(weights)).toBe(scale)
          expect(values.subarray(0, row.values.length)).toEqual(row.values)
          expect(multipliers.subarray(0, row.multipliers.length)).toEqual(row.multipliers)
          expect(offsets.subarray(0, row.offsets.length)).toEqual(row.offsets)
        }
      }),
      { numRuns: 300 },
    )
    const quantizer = createInt4Quantizer(128)
    expect(() => quantizer.quantize(Float32Array.of(1, Number.NaN, 1))).toThrow("found NaN in column 1 of 3")
    expect(() => quantizer.quantize(Float32Array.of(1, 1, Number.NEGATIVE_INFINITY))).toThrow("in column 2 of 3")
  })

  test("a column that matters more than its neighbours has less error, and they have hardly more than without it", () => {
    const weights = noise(32 * 200, 7, 1)
    const inputScales = new Float32Array(weights.length).fill(1)
    const isLarge = (i: number): boolean => i % 32 === 9
    inputScales.forEach((_, i) => isLarge(i) && (inputScales[i] = 30))
    const errors = (importance?: Int16Array): { large: number; others: number } => {
      const row = createInt4Row(weights.length)
      const scale = quantizeInt4Row(row, weights, importance)
      const back = new Float32Array(weights.length)
      dequantizeInt4Row(back, row, scale)
      const squares = back.map((value, i) => (value - weights[i]!) ** 2)
      const sum = (isIn: (i: number) => boolean): number => squares.reduce((all, e, i) => all + (isIn(i) ? e : 0), 0)
      return { large: sum(isLarge), others: sum((i) => !isLarge(i)) }
    }
    const [alike, weighed] = [errors(), errors(importanceOf(inputScales, weights.length))]
    expect(weighed.large).toBeLessThan(alike.large / 20)
    expect(weighed.others).toBeLessThan(alike.others * 1.35)
  })

  test("importanceOf: shares of a block's most important column, from a sixteenth on; alike where there are none", () => {
    const scales = new Float32Array(70)
    scales.set([2, 1, 0.001])
    const importance = importanceOf(scales, 96)
    expect([...importance.subarray(0, 4)]).toEqual([32767, 16384, 2048, 2048])
    expect([...new Set(importance.subarray(32))]).toEqual([32767])
  })

  test("a row on a grid of its own comes back exactly", () => {
    const row = Float32Array.from({ length: 96 }, (_, i) =>
      i < 32 ? 0.25 * ((i % 16) * 15 - 112) : i < 64 ? 0.25 * ((i % 16) * 7 - 9) : 0.25 * -127,
    )
    expect([...roundTrip(row)]).toEqual([...row])
  })

  test("zeros, and what is too small for an f32 scale, become zeros", () => {
    const row = createInt4Row(64)
    expect(quantizeInt4Row(row, new Float32Array(64).fill(1.4e-45, 32))).toBe(0)
    expect([...row.multipliers, ...row.offsets]).toEqual([0, 0, 128, 128])
  })

  test("a block of zeros in a row of others stays zeros", () => {
    const row = noise(96, 4, 1)
    row.fill(0, 32, 64)
    expect(
      roundTrip(row)
        .subarray(32, 64)
        .every((value) => value === 0),
    ).toBe(true)
  })

  test("what is not finite is an error that names its column", () => {
    const row = createInt4Row(64)
    for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const weights = noise(64, 1, 1)
      weights[39] = wrong
      expect(() => quantizeInt4Row(row, weights)).toThrow(`found ${wrong} in column 39 of 64`)
    }
    expect(() => createInt4Row(33)).toThrow("multiple of 32")
  })
})

describe("8-bit rows", () => {
  test("a weight row comes back within what a step's half is, spread over its block", () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ min: -100, max: 100, noNaN: true }), { minLength: 1, maxLength: 300 }),
        (values) => {
          const row = Float32Array.from(values)
          const padded = Math.ceil(row.length / 64) * 64
          const quantized = new Int8Array(padded)
          const scale = quantizeInt8Row(quantized, row, new Float32Array(padded))
          const back = new Float32Array(padded)
          dequantizeInt8Row(back, 0, quantized, 0, padded, scale)
          rotateColumns(back, 0, row.length)
          // Errors of half a step at most; a rotation makes the sum of their squares 16 times as large.
          const squares = back.reduce((sum, value, i) => sum + (value - (row[i] ?? 0)) ** 2, 0)
          expect(Math.sqrt(squares)).toBeLessThanOrEqual(scale * 0.5001 * Math.sqrt(ROTATED_TWICE * row.length) + 1e-30)
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
    const wide = new Int8Array(64)
    const damaged = Float32Array.of(1, Number.NaN, 0, 0)
    const quantize = () => quantizeInt8Row(wide, damaged, new Float32Array(64))
    expect(quantize).toThrow("found NaN in column 1 of 4")
    const [many, inBlock] = [new Float32Array(64).fill(3e38, 2), new Float32Array(64)]
    expect(() => quantizeInt8Row(wide, many, inBlock)).toThrow("in column 2 of 64")
  })
})
