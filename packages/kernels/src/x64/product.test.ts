import { afterAll, describe, expect, test } from "bun:test"
import { noise } from "@consilium/tensor"
import { openKernelRunner } from "../../test/kernelRunner.ts"
import { runnableIsas } from "./runnableIsas.ts"
import { SOFT_TILE_BYTES, SoftTileAssembler } from "../../test/SoftTileAssembler.ts"
import { type Activation, activationFunction, activationName, type ExpertActivation } from "../Activation.ts"
import { openMatrix } from "../openMatrix.ts"
import { createMultiplyScratch, multiplyRow } from "../multiplyRow.ts"
import { packExpertSlab, packMatrixSlab } from "../packSlab.ts"
import { type Format, groupBytes, isRotated, type MatrixLayout, planExpertSlab, planMatrixSlab } from "../SlabLayout.ts"
import { Assembler } from "./Assembler.ts"
import { type Isa, ISAS } from "./Isa.ts"
import { scratchAddress } from "./kernelAbi.ts"
import { PRODUCT, productWorkBytes } from "./productArguments.ts"
import type { Epilogue } from "./productEpilogue.ts"
import { emitProduct } from "./productKernel.ts"
import { quantizedRowBytes } from "./quantizedRows.ts"
import { emitQuantizeRows, QUANTIZE_ROWS } from "./quantizeRowsKernel.ts"

const FORMATS: readonly Format[] = ["f32", "int8", "int4"]
const NUM_ROWS = [0, 1, 2, 3, 4, 5, 8, 9, 16, 17, 32, 33, 70]
const PLAIN: Epilogue = { hasGateProj: false, activation: "none" }
const CLAMPED: Activation = { kind: "clamped-silu", limit: 2 }
const GATES: readonly Activation[] = ["silu", CLAMPED]
const WORK_BYTES = productWorkBytes(640)

const runner = openKernelRunner(WORK_BYTES)
afterAll(() => runner.close())

/** Tiles are tested everywhere that AVX-512 is: their instructions are made of it. */
const runnable = runnableIsas()
const isas = ISAS.filter(({ name, vectorBytes }) =>
  runnable.some((isa) => (name === "amx" ? isa.vectorBytes === vectorBytes : isa.name === name)),
)
const softTiles = runner.place(new Uint8Array(SOFT_TILE_BYTES + 64))
const createAssembler = ({ hasTiles, vectorBytes }: Isa): Assembler =>
  hasTiles ? new SoftTileAssembler(Math.ceil(softTiles.address / 64) * 64) : new Assembler(vectorBytes)

/** Runs a product of `numRows` rows with a packed matrix, on memory that ends where it must. */
function openProduct(isa: Isa, format: Format, epilogue: Epilogue) {
  const quantize = runner.load(emitQuantizeRows(isa, { isRotated: isRotated(format) }), QUANTIZE_ROWS)
  const product = runner.load(emitProduct({ isa, format, epilogue }, createAssembler(isa)), PRODUCT)
  return (slab: Uint8Array, matrix: MatrixLayout, gate: MatrixLayout | undefined, x: Float32Array, numRows: number) => {
    const { numRows: outColumns, numColumns, paddedColumns, paddedRows } = matrix
    const packed = runner.place(slab)
    const rows = runner.place(x)
    const out = runner.place(new Float32Array(numRows * outColumns))
    const stride = quantizedRowBytes(paddedColumns)
    const quantized = runner.place(new Uint8Array(numRows * stride))
    const isF32 = format === "f32"
    if (!isF32) {
      quantize({
        x: rows.address,
        xStride: numColumns * 4,
        out: quantized.address,
        outStride: stride,
        numRows,
        numColumns,
        paddedColumns,
        rotated: scratchAddress(0),
      })
    }
    const at = (offset: number | undefined): number => (offset === undefined ? 0 : packed.address + offset)
    const first = gate ?? matrix
    product({
      weights: at(first.values),
      groupBytes: groupBytes(format, paddedColumns),
      numPairs: paddedRows / (gate === undefined ? 32 : 16),
      x: isF32 ? rows.address : quantized.address,
      xStride: isF32 ? numColumns * 4 : stride,
      numRows,
      out: out.address,
      outStride: outColumns * 4,
      scales: at(first.scales),
      secondScales: at(matrix.scales),
      bias: at(first.bias),
      secondBias: at(matrix.bias),
      numColumns: isF32 ? numColumns : paddedColumns,
      outColumns,
      expanded: scratchAddress(0),
    })
    return out.values
  }
}

/** What the reference makes of the same rows. */
function multiplyPlain(slab: Uint8Array, matrix: MatrixLayout, x: Float32Array, numRows: number): Float32Array {
  const out = new Float32Array(numRows * matrix.numRows)
  const [opened, scratch] = [openMatrix(slab, matrix), createMultiplyScratch()]
  for (let t = 0; t < numRows; t++) multiplyRow(out, t * matrix.numRows, x, t * matrix.numColumns, opened, scratch)
  return out
}

/** An expert whose sums reach far beyond `CLAMPED`, either way. */
function packExpert(format: Format, of: ExpertActivation) {
  const [intermediateSize, hiddenSize] = [72, 96]
  const layout = planExpertSlab({ format, hiddenSize, intermediateSize, hasBias: true, ...of })
  const slab = new Uint8Array(layout.bytes)
  const size = intermediateSize * hiddenSize
  packExpertSlab(slab, layout, {
    gateProj: noise(size, 1, 0.3),
    upProj: noise(size, 2, 0.3),
    downProj: noise(size, 3, 0.3),
    gateBias: noise(intermediateSize, 4, 0.3),
    upBias: noise(intermediateSize, 5, 0.3),
    downBias: noise(hiddenSize, 6, 0.3),
  })
  return { layout, slab }
}

function largestError(found: Float32Array, expected: Float32Array): number {
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-30)
  return expected.reduce((worst, value, i) => Math.max(worst, Math.abs(value - found[i]!)), 0) / largest
}

for (const isa of isas) {
  describe(`product, ${isa.name}`, () => {
    test.each(FORMATS)("%s: the reference's products, at every size, touching nothing else", (format) => {
      const run = openProduct(isa, format, PLAIN)
      for (const [outWidth, inWidth] of [
        [64, 64],
        [70, 130],
        [33, 1],
        [40, 439],
        [48, 576],
      ] as const) {
        const layout = planMatrixSlab({ format, numRows: outWidth, numColumns: inWidth, hasBias: true })
        const slab = new Uint8Array(layout.bytes)
        packMatrixSlab(slab, layout, noise(outWidth * inWidth, 1, 0.1), noise(outWidth, 2, 0.1))
        for (const numRows of NUM_ROWS) {
          const x = noise(numRows * inWidth, 3, 1)
          const found = run(slab, layout.matrix, undefined, x, numRows)
          const expected = multiplyPlain(slab, layout.matrix, x, numRows)
          expect(largestError(found, expected), `${numRows} × ${inWidth} → ${outWidth}`).toBeLessThan(1e-5)
        }
      }
    })

    for (const activation of GATES) {
      test.each(FORMATS)(`%s: gated by ${activationName(activation)}`, (format) => {
        const of = { activation, hasGateProj: true } as const
        const run = openProduct(isa, format, of)
        const { layout, slab } = packExpert(format, of)
        const { gateProj, upProj } = layout
        const activate = activationFunction(of)
        for (const numRows of NUM_ROWS) {
          const x = noise(numRows * upProj.numColumns, 7, 1)
          const gate = multiplyPlain(slab, gateProj!, x, numRows)
          const expected = multiplyPlain(slab, upProj, x, numRows).map((up, i) => activate(gate[i]!, up))
          const found = run(slab, upProj, gateProj, x, numRows)
          expect(largestError(found, expected), `${numRows} rows`).toBeLessThan(1e-5)
        }
      })
    }

    test.each(FORMATS)("%s: a row's bits are the same in any number of rows", (format) => {
      const run = openProduct(isa, format, PLAIN)
      const [outWidth, inWidth, numRows] = [48, 192, 70]
      const layout = planMatrixSlab({ format, numRows: outWidth, numColumns: inWidth, hasBias: false })
      const slab = new Uint8Array(layout.bytes)
      packMatrixSlab(slab, layout, noise(outWidth * inWidth, 1, 0.1))
      const x = noise(numRows * inWidth, 3, 1).map((value, i) => value * 10 ** ((Math.floor(i / inWidth) % 5) - 2))
      const whole = run(slab, layout.matrix, undefined, x, numRows)
      for (const chunk of [1, 2, 3, 7, 33]) {
        for (let first = 0; first + chunk <= numRows; first += chunk) {
          const part = run(
            slab,
            layout.matrix,
            undefined,
            x.subarray(first * inWidth, (first + chunk) * inWidth),
            chunk,
          )
          expect(part).toEqual(whole.slice(first * outWidth, (first + chunk) * outWidth))
        }
      }
    })
  })
}

test("quantizeRows: a fault in a row is NaN in all its products, in no other's", () => {
  for (const isa of isas) {
    const run = openProduct(isa, "int8", PLAIN)
    const layout = planMatrixSlab({ format: "int8", numRows: 32, numColumns: 70, hasBias: false })
    const slab = new Uint8Array(layout.bytes)
    packMatrixSlab(slab, layout, noise(32 * 70, 1, 0.1))
    for (const [fault, place] of [
      [Number.NaN, 0],
      [Number.NaN, 69],
      [Number.POSITIVE_INFINITY, 40],
      // Fits f32, but no sum that rotates it.
      [3e38, 1],
    ] as const) {
      const x = noise(3 * 70, 3, 1)
      x[70 + place] = fault
      x[70 + 2] = fault
      const found = run(slab, layout.matrix, undefined, x, 3)
      expect([...found].map((value) => Number.isNaN(value))).toEqual(
        Array.from({ length: 96 }, (_, i) => i >= 32 && i < 64),
      )
    }
  }
})

test("quantizeRows: rows of zeros and of numbers too small for a scale give zeros", () => {
  for (const isa of isas) {
    const run = openProduct(isa, "int8", PLAIN)
    const layout = planMatrixSlab({ format: "int8", numRows: 32, numColumns: 64, hasBias: false })
    const slab = new Uint8Array(layout.bytes)
    packMatrixSlab(slab, layout, noise(32 * 64, 1, 0.1))
    const x = new Float32Array(2 * 64).fill(1e-40, 64)
    expect([...run(slab, layout.matrix, undefined, x, 2)].every((value) => value === 0)).toBe(true)
  }
})
