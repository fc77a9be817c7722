import { expect, test } from "bun:test"
import * as fc from "fast-check"
import { fitsCache, packPairs, pairDistance, roundToBf16, unpackPairs } from "./cacheFormat.ts"

const floatOf = (bits: number): number => new Float32Array(Int32Array.of(bits).buffer)[0]!
const bitsOf = (value: number): number => new Int32Array(Float32Array.of(value).buffer)[0]!

test("roundToBf16: the nearest bf16, ties to even; what is not finite stays so", () => {
  fc.assert(
    fc.property(fc.float({ noNaN: true }), (value) => {
      const rounded = floatOf(roundToBf16(bitsOf(value)) << 16)
      if (!Number.isFinite(value)) return expect(rounded).toBe(value)
      const below = floatOf(bitsOf(value) & -0x1_0000)
      const above = floatOf((bitsOf(value) & -0x1_0000) + 0x1_0000)
      const nearest = Math.min(Math.abs(value - below), Math.abs(value - above))
      // Past the largest there is infinity.
      if (Number.isFinite(above)) expect(Math.abs(value - rounded)).toBe(nearest)
    }),
  )
  for (const [bits, half] of [
    [0x3f80_8000, 0x3f80],
    [0x3f81_8000, 0x3f82],
    [0x7f80_0000, 0x7f80],
    [-0x0080_0000, 0xff80],
  ] as const)
    expect(roundToBf16(bits)).toBe(half)
  for (const nan of [0x7f80_0001, 0x7fff_ffff, -1]) expect(Number.isFinite(floatOf(roundToBf16(nan) << 16))).toBe(false)
})

test("packPairs and unpackPairs: a head comes back as its values rounded, at either distance, and touches nothing else", () => {
  for (const format of ["bf16/8", "bf16/16"] as const) {
    const distance = pairDistance(format)!
    const headDim = 6 * distance
    const values = Float32Array.from({ length: headDim + 4 }, (_, i) => Math.sin(i) * 10 ** (i % 7))
    const words = new Int32Array(headDim / 2 + 2).fill(7)
    packPairs(words, 1, values, 2, headDim, distance)
    expect([words[0], words.at(-1)]).toEqual([7, 7])
    const back = new Float32Array(headDim + 2).fill(5)
    unpackPairs(back, 1, words, 1, headDim, distance)
    expect([back[0], back.at(-1)]).toEqual([5, 5])
    for (let i = 0; i < headDim; i++) expect(back[1 + i]).toBe(floatOf(roundToBf16(bitsOf(values[2 + i]!)) << 16))
    expect([fitsCache(format, headDim), fitsCache(format, headDim + distance)]).toEqual([true, false])
  }
  expect(fitsCache("f32", 7)).toBe(true)
})
