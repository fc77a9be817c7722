import { expect, test } from "bun:test"
import { noise } from "@consilium/tensor"
import { expectClose } from "@consilium/testing"
import * as fc from "fast-check"
import { describeEachWidth } from "../../test/describeEachWidth.ts"
import type { AttentionLayer, SlotRows } from "../Backend.ts"
import { packPairs } from "../cacheFormat.ts"
import { appendKeysAndValues, normAndRotate } from "../elementwise.ts"
import { emitPrepare, PREPARE, type PrepareShape } from "./attendPrepareKernel.ts"

const CAPACITY = 9
const EPSILON = 1e-5
/** What a cache holds where nothing was written. */
const UNTOUCHED = 0.25

interface Prepared {
  readonly rows: Float32Array
  readonly keys: Float32Array
  readonly values: Float32Array
}

const shapes = fc
  .record({
    numKvHeads: fc.integer({ min: 1, max: 3 }),
    groupHeads: fc.integer({ min: 1, max: 5 }),
    headDim: fc.constantFrom(2, 4, 8, 10, 24, 36, 64, 80, 96, 128, 256),
    norm: fc.constantFrom("none" as const, "head" as const, "projection" as const),
    rotaryShare: fc.constantFrom(0, 0.25, 0.5, 1),
    isInterleaved: fc.boolean(),
  })
  .map(({ numKvHeads, groupHeads, headDim, norm, rotaryShare, isInterleaved }): PrepareShape => {
    const rotaryDim = 2 * Math.floor((headDim * rotaryShare) / 2)
    const rotation = rotaryDim === 0 ? undefined : { rotaryDim, isInterleaved }
    return { numKvHeads, numHeads: numKvHeads * groupHeads, headDim, norm, rotation, isPaired: false }
  })

const rowWidth = ({ numHeads, numKvHeads, headDim }: PrepareShape) => (numHeads + 2 * numKvHeads) * headDim

function planLayer(shape: PrepareShape): AttentionLayer {
  const { numHeads, numKvHeads, headDim, norm, rotation } = shape
  const numPairs = (rotation?.rotaryDim ?? 0) / 2
  const angles = Float32Array.from({ length: CAPACITY * numPairs }, (_, i) => i * 0.37)
  const normWidth = (heads: number) => (norm === "head" ? headDim : heads * headDim)
  return {
    numHeads,
    numKvHeads,
    headDim,
    scale: 1,
    slidingWindow: Infinity,
    rope: rotation && { ...rotation, cos: angles.map(Math.cos), sin: angles.map(Math.sin) },
    qkNorm:
      norm === "none"
        ? undefined
        : {
            over: norm,
            q: noise(normWidth(numHeads), 1, 1),
            k: noise(normWidth(numKvHeads), 2, 1),
            epsilon: EPSILON,
          },
  }
}

function emptyCache({ numKvHeads, headDim }: PrepareShape): Float32Array {
  return new Float32Array(numKvHeads * CAPACITY * headDim).fill(UNTOUCHED)
}

function preparePlainly(shape: PrepareShape, qkv: Float32Array, pastLength: number, numRows: number): Prepared {
  const layer = planLayer(shape)
  const [rows, keys, values] = [qkv.slice(), emptyCache(shape), emptyCache(shape)]
  const placed = (values: Float32Array) => ({ values, width: shape.headDim, span: { segment: 0, offset: 0, bytes: 0 } })
  const slot: SlotRows = {
    firstRow: 0,
    numRows,
    pastLength,
    capacity: CAPACITY,
    keys: placed(keys),
    values: placed(values),
  }
  normAndRotate(rows, [slot], layer)
  appendKeysAndValues(rows, [slot], layer)
  return { rows, keys, values }
}

describeEachWidth("preparing attention", 0, (vectorBytes, runner) => {
  /** Runs `chunk` rows at a time. */
  function prepare(
    shape: PrepareShape,
    qkv: Float32Array,
    pastLength: number,
    numRows: number,
    chunk: number,
  ): Prepared {
    const { rope, qkNorm } = planLayer(shape)
    const kernel = runner.load(emitPrepare(shape, vectorBytes), PREPARE)
    const place = (values: Float32Array | undefined) => runner.place(values ?? new Float32Array())
    const [rows, keys, values] = [place(qkv), place(emptyCache(shape)), place(emptyCache(shape))]
    const [cos, sin, queryWeight, keyWeight] = [rope?.cos, rope?.sin, qkNorm?.q, qkNorm?.k].map(place)
    for (let first = 0; first < numRows; first += chunk)
      kernel({
        rows: rows.address + first * rowWidth(shape) * 4,
        numRows: Math.min(chunk, numRows - first),
        position: pastLength + first,
        keys: keys.address,
        values: values.address,
        headStride: CAPACITY * shape.headDim * (shape.isPaired ? 2 : 4),
        cos: cos!.address,
        sin: sin!.address,
        queryWeight: queryWeight!.address,
        keyWeight: keyWeight!.address,
        epsilon: EPSILON,
      })
    return { rows: rows.values, keys: keys.values, values: values.values }
  }

  test("norm, rope and append match the plain loops, and a row's bits do not depend on the others", () => {
    fc.assert(
      fc.property(shapes, fc.integer({ min: 1, max: 6 }), fc.integer({ min: 0, max: 3 }), (shape, numRows, past) => {
        const qkv = noise(numRows * rowWidth(shape), 3, 1)
        const expected = preparePlainly(shape, qkv, past, numRows)
        const found = prepare(shape, qkv, past, numRows, numRows)
        for (const part of ["rows", "keys", "values"] as const)
          expectClose(found[part], expected[part], 1e-6, { relative: 1e-5, name: part })
        expect(prepare(shape, qkv, past, numRows, 1)).toEqual(found)
      }),
      { numRuns: 150 },
    )
  })

  test("an append in pairs rounds to nearest, ties to even; what is not finite stays so", () => {
    const distance = vectorBytes / 4
    const ties = [0x3f80_8000, 0x3f81_8000, 0x3f80_7fff, 0x3f80_8001, 0x7f7f_ffff]
    const tiny = [0x0000_8000, 0x0001_8000, 0x007f_ffff, 0, 1]
    const words = Int32Array.from([...ties, ...tiny, 0x7f80_0000, 0x7fc0_0000, 0x7fff_ffff])
    for (const headDim of [2 * distance, 8 * distance]) {
      const shape: PrepareShape = {
        numHeads: 1,
        numKvHeads: 2,
        headDim,
        norm: "none",
        rotation: undefined,
        isPaired: true,
      }
      const qkv = noise(rowWidth(shape), 5, 1)
      const bits = new Int32Array(qkv.buffer)
      words.forEach((word, i) => {
        bits[headDim + i] = word
        bits[3 * headDim + i] = word | -0x8000_0000
      })
      const found = prepare(shape, qkv, 2, 1, 1)
      for (const [part, first] of [
        ["keys", 1],
        ["values", 3],
      ] as const) {
        const expected = new Int32Array(shape.numKvHeads * CAPACITY * (headDim / 2))
        expected.fill(new Int32Array(Float32Array.of(UNTOUCHED).buffer)[0]!)
        for (const head of [0, 1])
          packPairs(expected, ((head * CAPACITY + 2) * headDim) / 2, qkv, (first + head) * headDim, headDim, distance)
        const cache = new Int32Array(found[part].buffer, found[part].byteOffset, expected.length)
        expect([...cache]).toEqual([...expected])
      }
    }
  })

  test("a row of NaN leaves the others as they are", () => {
    const shape: PrepareShape = {
      isPaired: false,
      numHeads: 2,
      numKvHeads: 1,
      headDim: 24,
      norm: "head",
      rotation: { rotaryDim: 12, isInterleaved: false },
    }
    const width = rowWidth(shape)
    const qkv = noise(3 * width, 4, 1)
    const clean = prepare(shape, qkv, 0, 3, 3).rows
    const found = prepare(shape, qkv.slice().fill(Number.NaN, width, 2 * width), 0, 3, 3).rows
    for (const [i, value] of found.entries()) {
      if (i >= width && i < 2 * width) expect(value).toBeNaN()
      else expect(value).toBe(clean[i]!)
    }
  })
})
