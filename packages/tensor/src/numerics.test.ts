import { describe, expect, test } from "bun:test"
import { expectClose } from "@consilium/testing"
import fc from "fast-check"
import {
  applyRope,
  bf16ToF32,
  clampedSwiglu,
  createRandom,
  f16ToF32,
  f32ToBf16,
  f32ToF16,
  matmul,
  noise,
  rmsNorm,
  sigmoid,
  silu,
  softmax,
  topK,
} from "./index.ts"

describe("numerics", () => {
  test("softmax sums to one, also of large values, and in place", () => {
    const values = Float32Array.of(1000, 999, Number.NEGATIVE_INFINITY)
    softmax(values, values)
    expectClose(values, [0.7310586, 0.2689414, 0], 1e-6)
  })

  test("topK agrees with sorting, ties to the lower id", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 1, max: 20 }),
        (values, k) => {
          const ids = new Int32Array(k)
          const count = topK(ids, 0, Float64Array.from(values), values.length, k)
          const expected = values.map((_, id) => id).sort((a, b) => values[b]! - values[a]! || a - b)
          expect([...ids.subarray(0, count)]).toEqual(expected.slice(0, k))
        },
      ),
    )
  })

  test("topK never chooses -Infinity or NaN, and leaves -1 where too few are left", () => {
    const ids = new Int32Array(6).fill(9)
    const values = Float32Array.of(Number.NaN, 1, Number.NEGATIVE_INFINITY, 3, Number.POSITIVE_INFINITY)
    expect(topK(ids, 1, values, 5, 4)).toBe(3)
    expect([...ids]).toEqual([9, 4, 3, 1, -1, 9])
  })

  test("matmul multiplies by the transposed weights", () => {
    const out = new Float32Array(2)
    matmul(out, Float32Array.of(1, 2, 3), Float32Array.of(1, 0, 0, 1, 1, 1), 1, 2, 3)
    expect([...out]).toEqual([1, 6])
  })

  test("rmsNorm makes the mean square one before the weight", () => {
    const out = new Float32Array(4)
    rmsNorm(out, Float32Array.of(3, -4, 0, 0), 0, Float32Array.of(1, 1, 1, 2), 0)
    expectClose(out, [1.2, -1.6, 0, 0], 1e-6)
  })

  test("rope turns pairs by their angles, halves or neighbours, and leaves the rest", () => {
    const quarter = { cos: Float32Array.of(0), sin: Float32Array.of(1), rotaryDim: 2 }
    const halves = Float32Array.of(1, 2, 9)
    applyRope(halves, 0, { ...quarter, isInterleaved: false }, 0)
    expect([...halves]).toEqual([-2, 1, 9])
    const neighbours = Float32Array.of(9, 1, 2)
    applyRope(neighbours, 1, { ...quarter, isInterleaved: true }, 0)
    expect([...neighbours]).toEqual([9, -2, 1])
  })

  test("sigmoid and silu", () => {
    expectClose([sigmoid(0), silu(0), silu(1)], [0.5, 0, 0.7310586], 1e-6)
  })

  test("clampedSwiglu: gate from above, up from both sides; NaN stays NaN", () => {
    const found = [
      [1, 2],
      [9, 2],
      [-9, 2],
      [1, 9],
      [1, -9],
      [0, 5],
    ].map(([gate, up]) => clampedSwiglu(gate!, up!, 7))
    expectClose(found, [2.5373873, 20.9998594, -6.0095e-6, 6.7663661, -5.0747746, 0], 1e-6)
    expect(clampedSwiglu(Number.NaN, 1, 7)).toBeNaN()
    expect(clampedSwiglu(1, Number.NaN, 7)).toBeNaN()
  })

  test("16-bit floats come back, and round half to even", () => {
    const values = Float32Array.of(1, -2.5, 0, 65504)
    const [bits, back] = [new Uint16Array(4), new Float32Array(4)]
    f32ToF16(bits, values)
    f16ToF32(back, bits)
    expect([...back]).toEqual([...values])
    f32ToBf16(bits, Float32Array.of(1, 1.00390625, 1.01171875, Number.NaN))
    bf16ToF32(back, bits)
    expect([...back]).toEqual([1, 1, 1.015625, Number.NaN])
  })

  test("a NaN of the lowest bits stays NaN in bfloat16", () => {
    const bits = new Uint16Array(2)
    f32ToBf16(bits, new Float32Array(Uint32Array.of(0x7f800001, 0xff800001).buffer))
    expect([...bits]).toEqual([0x7fc0, 0xffc0])
  })

  test("noise is the fixtures' hash, and a seed repeats a generator", () => {
    expectClose(
      noise(8, 1, 1),
      [-2.2160165, 0.32274988, -1.8845508, 0.8092837, 0.036252018, -0.9512466, 0.42858398, -0.27243033],
      1e-6,
    )
    const [a, b] = [createRandom(5), createRandom(5)]
    const drawn = Array.from({ length: 2000 }, a)
    expect(drawn).toEqual(Array.from({ length: 2000 }, b))
    expect(Math.abs(drawn.reduce((sum, u) => sum + u, 0) / 2000 - 0.5)).toBeLessThan(0.03)
  })
})
