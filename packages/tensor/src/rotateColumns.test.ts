import { expect, test } from "bun:test"
import { noise } from "./random.ts"
import { ROTATED_TWICE, rotateColumns, rotateRow } from "./rotateColumns.ts"

/** Element (i, k) of the Hadamard matrix: -1 where i and k have an odd number of bits in common. */
function hadamard(i: number, k: number): number {
  let sign = 1
  for (let common = i & k; common !== 0; common &= common - 1) sign = -sign
  return sign
}

/** A block of `order` vectors of 16 lanes, each lane times the matrix. */
function mixPlainly(block: Float32Array, order: number): number[] {
  return Array.from(block, (_, i) => {
    let sum = 0
    for (let k = 0; k < order; k++) sum += hadamard(Math.floor(i / 16), k) * block[k * 16 + (i % 16)]!
    return sum
  })
}

test("rotateColumns: mixes large and small blocks as it says, multiplies the rest, and touches nothing else", () => {
  const integers = noise(600, 1, 50).map(Math.round)
  const values = integers.slice()
  rotateColumns(values, 3, 512 + 64 + 7)
  const of = (first: number, width: number) => integers.subarray(first, first + width)
  expect([...values]).toEqual([
    ...of(0, 3),
    ...mixPlainly(of(3, 256), 16),
    ...mixPlainly(of(259, 256), 16),
    ...mixPlainly(of(515, 64), 4).map((value) => 2 * value),
    ...of(579, 7).map((value) => 4 * value),
    ...of(586, 14),
  ])
})

test("rotateColumns: rounds each of its stages to f32, by growing distance", () => {
  const values = noise(256, 2, 1)
  const expected = values.slice()
  for (let distance = 16; distance < 256; distance *= 2) {
    const before = expected.slice()
    for (let i = 0; i < 256; i++) {
      const partner = before[i ^ distance]!
      expected[i] = i & distance ? partner - before[i]! : before[i]! + partner
    }
  }
  rotateColumns(values, 0, 256)
  expect(values).toEqual(expected)
})

test("rotateRow: products of two rotated rows are 16 times the product, whatever the width", () => {
  for (const width of [1, 63, 64, 65, 130, 256, 323, 576]) {
    const padded = Math.ceil(width / 64) * 64
    const [x, w] = [noise(width + 5, 1, 1), noise(width, 2, 1)]
    const [rotatedX, rotatedW] = [new Float32Array(padded + 3).fill(7), new Float32Array(padded).fill(7)]
    rotateRow(rotatedX, 3, x, 5, width)
    rotateRow(rotatedW, 0, w, 0, width)
    let [sum, expected] = [0, 0]
    for (let i = 0; i < padded; i++) sum += rotatedX[3 + i]! * rotatedW[i]!
    for (let i = 0; i < width; i++) expected += x[5 + i]! * w[i]!
    expect(Math.abs(sum / ROTATED_TWICE - expected)).toBeLessThan(1e-4)
    expect([...rotatedX.subarray(0, 3)]).toEqual([7, 7, 7])
    expect([...rotatedW.subarray(width)].every((value) => value === 0)).toBe(true)
  }
})

test("rotateRow: a value that towers over the others is spread over sixteen", () => {
  const x = noise(256, 1, 1)
  x[17] = 1600
  const rotated = new Float32Array(256)
  rotateRow(rotated, 0, x, 0, 256)
  const large = rotated.map(Math.abs).filter((value) => value > 100)
  expect(large.length).toBe(16)
  expect(Math.max(...large) / Math.min(...large)).toBeLessThan(1.05)
})
