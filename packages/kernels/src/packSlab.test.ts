import { expect, test } from "bun:test"
import { noise, rotateColumns } from "@consilium/tensor"
import { expectClose, maxError } from "@consilium/testing"
import * as fc from "fast-check"
import { embedRows, openMatrix, readF32Row, readIntegerRow, unpackMatrix } from "./openMatrix.ts"
import { packExpertSlab, packMatrixSlab } from "./packSlab.ts"
import { type Format, LAYOUT_VERSION, planExpertSlab, planMatrixSlab } from "./SlabLayout.ts"

const sizes = [
  fc.constantFrom("f32", "int8", "int4"),
  fc.integer({ min: 1, max: 70 }),
  fc.integer({ min: 1, max: 330 }),
] as const

const pack = (format: Format, numRows: number, numColumns: number, weights: Float32Array, bias?: Float32Array) => {
  const layout = planMatrixSlab({ format, numRows, numColumns, hasBias: bias !== undefined })
  const bytes = new Uint8Array(layout.bytes)
  packMatrixSlab(bytes, layout, weights, bias)
  return { layout, bytes }
}

const unpack = ({ bytes, layout: { matrix } }: ReturnType<typeof pack>): Float32Array => {
  const out = new Float32Array(matrix.numRows * matrix.numColumns)
  unpackMatrix(out, bytes, matrix)
  return out
}

test("packMatrixSlab: what is unpacked differs from the weights by at most half a step of its format", () => {
  fc.assert(
    fc.property(...sizes, (format, numRows, numColumns) => {
      const weights = noise(numRows * numColumns, numColumns, 1)
      const found = unpack(pack(format, numRows, numColumns, weights))
      for (let row = 0; row < numRows; row++) {
        const at = row * numColumns
        const own = weights.subarray(at, at + numColumns)
        const largest = own.reduce((most, w) => Math.max(most, Math.abs(w)), 0)
        let squares = 0
        for (let i = 0; i < numColumns; i++) {
          const error = Math.abs(found[at + i]! - own[i]!)
          if (format === "f32") expect(error).toBe(0)
          squares += error * error
        }
        // A rotation keeps the sum of squares, but may make the largest weight 4 times as large.
        if (format === "int8") expect(Math.sqrt(squares / numColumns)).toBeLessThanOrEqual((largest / 127) * 2.001)
        // The search for a 4-bit grid may clip an extreme, never for a worse sum than plain rounding to ±7 steps.
        if (format === "int4") expect(Math.sqrt(squares / numColumns)).toBeLessThanOrEqual((largest / 7) * 0.5001)
      }
    }),
    { numRuns: 60 },
  )
})

test("packMatrixSlab: packing what was unpacked changes nothing in f32, and rounding in int8; a slab follows from its weights alone", () => {
  fc.assert(
    fc.property(...sizes, (format, numRows, numColumns) => {
      const weights = noise(numRows * numColumns, 1, 0.3)
      const once = pack(format, numRows, numColumns, weights)
      expect(pack(format, numRows, numColumns, weights).bytes).toEqual(once.bytes)
      const unpacked = unpack(once)
      const again = unpack(pack(format, numRows, numColumns, unpacked))
      if (format === "f32") expect([...again]).toEqual([...unpacked])
      if (format === "int8") expect(maxError(again, unpacked)).toBeLessThan(1e-6)
    }),
    { numRuns: 30 },
  )
})

test("packMatrixSlab: padding is zeros, save beside columns of its own int4 block; the bias lies at its place", () => {
  fc.assert(
    fc.property(...sizes, (format, numRows, numColumns) => {
      const bias = noise(numRows, 3, 1)
      const { layout, bytes } = pack(format, numRows, numColumns, noise(numRows * numColumns, 1, 1), bias)
      const { paddedRows, paddedColumns } = layout.matrix
      const firstZero = format === "int4" ? Math.ceil(numColumns / 32) * 32 : numColumns
      const stored = new Float32Array(paddedRows * paddedColumns)
      // Read as a matrix without padding, which shows all that is stored; integers as they are before they are rotated.
      const whole = openMatrix(bytes, { ...layout.matrix, numRows: paddedRows, numColumns: paddedColumns })
      const words = new Int32Array(paddedColumns / 4)
      for (let row = 0; row < paddedRows; row++) {
        if (format === "f32") readF32Row(stored, row * paddedColumns, whole, row)
        else {
          readIntegerRow(words, whole, row)
          new Uint8Array(words.buffer).forEach((u, k) => (stored[row * paddedColumns + k] = u - 128))
        }
      }
      const isStray = stored.some((w, i) => w !== 0 && (i >= numRows * paddedColumns || i % paddedColumns >= firstZero))
      expect(isStray).toBe(false)
      const storedBias = new Float32Array(bytes.buffer, layout.matrix.bias!, paddedRows)
      expect([...storedBias]).toEqual([...bias, ...Array<number>(paddedRows - numRows).fill(0)])
    }),
    { numRuns: 60 },
  )
})

test("embedRows: any row of any format is what unpackMatrix gives", () => {
  fc.assert(
    fc.property(...sizes, (format, numRows, numColumns) => {
      const packed = pack(format, numRows, numColumns, noise(numRows * numColumns, 2, 1))
      const whole = unpack(packed)
      const ids = Int32Array.of(numRows - 1, 0, numRows >> 1)
      const out = new Float32Array(3 * numColumns)
      const matrix = openMatrix(packed.bytes, packed.layout.matrix)
      embedRows(out, ids, 3, matrix)
      for (let i = 0; i < 3; i++) {
        const row = whole.subarray(ids[i]! * numColumns, (ids[i]! + 1) * numColumns)
        expect([...out.subarray(i * numColumns, (i + 1) * numColumns)]).toEqual([...row])
      }
      expect(() => embedRows(out, Int32Array.of(numRows), 1, matrix)).toThrow(`id ${numRows} is outside`)
      expect(() => embedRows(out, Int32Array.of(-1), 1, matrix)).toThrow("id -1 is outside")
    }),
    { numRuns: 30 },
  )
})

test("packExpertSlab: each projection is where the layout says, and a missing or wrong tensor is refused", () => {
  for (const format of ["f32", "int8", "int4"] as const) {
    const layout = planExpertSlab({
      format,
      hiddenSize: 33,
      intermediateSize: 20,
      activation: "silu",
      hasGateProj: true,
      hasBias: true,
    })
    const [gateProj, upProj, downProj] = [noise(660, 1, 1), noise(660, 2, 1), noise(660, 3, 1)]
    const biases = { gateBias: noise(20, 4, 1), upBias: noise(20, 5, 1), downBias: noise(33, 6, 1) }
    const bytes = new Uint8Array(layout.bytes)
    packExpertSlab(bytes, layout, { gateProj, upProj, downProj, ...biases })
    for (const [matrix, weights] of [
      [layout.gateProj!, gateProj],
      [layout.upProj, upProj],
      [layout.downProj, downProj],
    ] as const) {
      const found = new Float32Array(660)
      unpackMatrix(found, bytes, matrix)
      const alone = unpack(pack(format, matrix.numRows, matrix.numColumns, weights))
      // In 4 bits an expert's downProj knows what its inputs are.
      if (format === "int4" && matrix === layout.downProj) expectClose(found, weights, maxError(alone, weights) * 2)
      else expect([...found]).toEqual([...alone])
    }
    expect(() => packExpertSlab(bytes, layout, { upProj, downProj, ...biases })).toThrow(
      "expected 20 × 33 weights, found 0",
    )
    expect(() => packExpertSlab(bytes, layout, { gateProj, upProj, downProj })).toThrow(
      "expected a bias of 20, found none",
    )
  }
})

test("packExpertSlab: in 4 bits, downProj keeps what a neuron that towers over the others is multiplied with", () => {
  const [H, I, TOWERING] = [64, 96, 37]
  const shape = { format: "int4", hiddenSize: H, intermediateSize: I, hasBias: false } as const
  for (const kind of [
    { activation: "silu", hasGateProj: true },
    { activation: "relu", hasGateProj: false },
  ] as const) {
    const layout = planExpertSlab({ ...shape, ...kind })
    const [gateProj, upProj, downProj] = [noise(I * H, 1, 1), noise(I * H, 2, 1), noise(H * I, 3, 1)]
    const errorOf = (growth: number): number => {
      const grown = upProj.map((w, i) => (Math.floor(i / H) === TOWERING ? growth * w : w))
      const bytes = new Uint8Array(layout.bytes)
      packExpertSlab(bytes, layout, { ...(kind.hasGateProj && { gateProj }), upProj: grown, downProj })
      const found = new Float32Array(H * I)
      unpackMatrix(found, bytes, layout.downProj)
      let squares = 0
      for (let row = 0; row < H; row++) squares += (found[row * I + TOWERING]! - downProj[row * I + TOWERING]!) ** 2
      return squares
    }
    expect(errorOf(100)).toBeLessThan(errorOf(1) / 20)
  }
})

test("packMatrixSlab: the bytes of layout 3", () => {
  expect(LAYOUT_VERSION).toBe(3)
  // Two groups of 16 rows, 64 columns; row 17 is lane 1 of the second group.
  const weights = new Float32Array(18 * 64)
  const row = weights.subarray(17 * 64)
  // On grids of scale 1, which a weight of 127 asks for: block 0 has m = 15 and c = 16, block 1 has m = 3 and c = 210.
  for (let k = 0; k < 32; k++) row[k] = (k % 16) * 15 + 16 - 128
  for (let k = 32; k < 64; k++) row[k] = ((k + 5) % 16) * 3 + 210 - 128

  const f32 = pack("f32", 18, 64, weights)
  const floats = new Float32Array(f32.bytes.buffer)
  expect([...floats.subarray(64 * 16, 64 * 16 + 3)]).toEqual([0, row[0]!, 0])
  expect(floats[64 * 16 + 63 * 16 + 1]).toBe(row[63]!)

  // Weights that these integers are rotated to, of which the largest is 127: their scale is 1.
  const integers = row.slice(0, 64)
  const rotated = new Float32Array(18 * 64)
  rotated.set(integers, 17 * 64)
  rotateColumns(rotated, 17 * 64, 64)
  const int8 = pack("int8", 18, 64, rotated)
  const group8 = int8.bytes.subarray(64 * 16)
  expect([...group8.subarray(0, 8)]).toEqual([128, 128, 128, 128, 16, 31, 46, 61])
  expect([...group8.subarray(15 * 64 + 4, 15 * 64 + 8)]).toEqual([...integers.subarray(60)].map((w) => w + 128))
  expect(new Float32Array(int8.bytes.buffer, int8.layout.matrix.scales, 18)[17]).toBe(1)

  // 64 columns of nibbles are 512 bytes, their parameters 48: rounded up to 576.
  const int4 = pack("int4", 18, 64, weights)
  const group4 = int4.bytes.subarray(576)
  expect(int4.layout.matrix.groupStride).toBe(576)
  expect(new Float32Array(int4.bytes.buffer, int4.layout.matrix.scales, 18)[17]).toBe(1)
  // Columns 0..3 in the low nibbles, 4..7 in the high ones.
  expect([...group4.subarray(4, 8)]).toEqual([0x40, 0x51, 0x62, 0x73])
  expect([...group4.subarray(4 * 64 + 4, 4 * 64 + 8)]).toEqual([0x95, 0xa6, 0xb7, 0xc8])
  const parameters = group4.subarray(512)
  expect([...parameters.subarray(0, 3)]).toEqual([0, 15 | (3 << 4), 0])
  expect([...parameters.subarray(16, 19)]).toEqual([128, 16, 128])
  expect([...parameters.subarray(32, 35)]).toEqual([128, 210, 128])
})
