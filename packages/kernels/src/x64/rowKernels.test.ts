import { expect, test } from "bun:test"
import { noise } from "@consilium/tensor"
import { expectClose } from "@consilium/testing"
import { describeEachWidth } from "../../test/describeEachWidth.ts"
import { addScaledRows, normRows } from "../elementwise.ts"
import { ADD_SCALED, emitAddScaled } from "./addScaledKernel.ts"
import { COMBINE, emitCombine } from "./combineKernel.ts"
import { emitGatherRows, GATHER_ROWS } from "./gatherRowsKernel.ts"
import { ISAS } from "./Isa.ts"
import { emitNormRows, NORM_ROWS } from "./normRowsKernel.ts"

/** Every width up to some vectors, so that each kind of tail is met, and the sizes of models. */
const WIDTHS = [...Array.from({ length: 70 }, (_, i) => i + 1), 127, 128, 129, 255, 576, 2048, 2051]
const NUM_ROWS = 3

describeEachWidth("row kernels", 0, (vectorBytes, runner) => {
  const isa = ISAS.find((isa) => isa.vectorBytes === vectorBytes)!
  const norm = runner.load(emitNormRows(isa), NORM_ROWS)
  const addScaled = runner.load(emitAddScaled(isa), ADD_SCALED)
  const combine = runner.load(emitCombine(isa), COMBINE)
  const gather = runner.load(emitGatherRows(isa), GATHER_ROWS)
  const rows = (numRows: number, width: number, seed: number) => runner.place(noise(numRows * width, seed, 1))

  test("emitNormRows: is the plain norm, whatever the width", () => {
    for (const width of WIDTHS) {
      const [x, weight] = [rows(NUM_ROWS, width, 1), rows(1, width, 2)]
      const out = runner.place(new Float32Array(NUM_ROWS * width))
      norm({ x: x.address, out: out.address, weight: weight.address, numRows: NUM_ROWS, width, epsilon: 1e-5 })
      const expected = new Float32Array(NUM_ROWS * width)
      normRows(expected, x.values, NUM_ROWS, weight.values, 1e-5)
      expectClose(out.values, expected, 1e-7, { relative: 1e-6, name: `width ${width}` })
    }
  })

  test("emitNormRows: works in place, has the same bits for a row alone, and scales tiny rows by epsilon", () => {
    const width = 579
    const x = rows(NUM_ROWS, width, 1)
    x.values.subarray(width, 2 * width).fill(1e-20)
    const weight = rows(1, width, 2)
    const alone = Array.from({ length: NUM_ROWS }, (_, row) => {
      const out = runner.place(new Float32Array(width))
      norm({
        x: x.address + row * width * 4,
        out: out.address,
        weight: weight.address,
        numRows: 1,
        width,
        epsilon: 1e-6,
      })
      return [...out.values]
    })
    norm({ x: x.address, out: x.address, weight: weight.address, numRows: NUM_ROWS, width, epsilon: 1e-6 })
    expect([...x.values]).toEqual(alone.flat())
    expect(alone[1]![0]! / weight.values[0]!).toBeCloseTo(1e-17, 22)
  })

  test("emitNormRows: NaN shows in its own row only", () => {
    const [x, weight] = [rows(NUM_ROWS, 40, 1), rows(1, 40, 2)]
    x.values[40 + 39] = Number.NaN
    norm({ x: x.address, out: x.address, weight: weight.address, numRows: NUM_ROWS, width: 40, epsilon: 0 })
    expect([...x.values].map(Number.isNaN)).toEqual(Array.from({ length: 120 }, (_, i) => i >= 40 && i < 80))
  })

  test("emitAddScaled: adds rows with and without factors, whatever the width", () => {
    for (const width of WIDTHS)
      for (const hasFactors of [true, false]) {
        const [x, out] = [rows(NUM_ROWS, width, 1), rows(NUM_ROWS, width, 2)]
        const factors = runner.place(noise(NUM_ROWS, 3, 1))
        const expected = out.values.slice()
        addScaledRows(expected, x.values, NUM_ROWS, width, hasFactors ? factors.values : undefined)
        const address = hasFactors ? factors.address : 0
        addScaled({ out: out.address, x: x.address, factors: address, numRows: NUM_ROWS, width })
        expectClose(out.values, expected, 0, { relative: hasFactors ? 1.2e-7 : 0, name: `width ${width}` })
      }
  })

  test("emitCombine: sums ranks in order and leaves out rows of -1, whatever the width", () => {
    const [numTokens, topK, numRows] = [4, 3, 7]
    const chosen = Int32Array.of(6, 0, 2, -1, 3, -1, -1, -1, -1, 5, 5, 1)
    for (const width of WIDTHS) {
      const outputs = rows(numRows, width, 1)
      const [routed, weights] = [runner.place(chosen), runner.place(noise(numTokens * topK, 2, 1))]
      const out = runner.place(new Float32Array(numTokens * width).fill(7))
      combine({
        out: out.address,
        outputs: outputs.address,
        rows: routed.address,
        weights: weights.address,
        numTokens,
        topK,
        width,
      })
      const expected = combinePlainly(outputs.values, chosen, weights.values, topK, width)
      expectClose(out.values, expected, 2e-7, { relative: 1e-7, name: `width ${width}` })
    }
  })

  test("emitCombine: a token has the same bits alone", () => {
    const [numTokens, topK, width] = [5, 8, 133]
    const outputs = rows(numTokens * topK, width, 1)
    const routed = runner.place(Int32Array.from({ length: numTokens * topK }, (_, i) => (i * 11) % (numTokens * topK)))
    const weights = runner.place(noise(numTokens * topK, 2, 1))
    const run = (first: number, count: number): number[] => {
      const out = runner.place(new Float32Array(count * width))
      combine({
        out: out.address,
        outputs: outputs.address,
        rows: routed.address + first * topK * 4,
        weights: weights.address + first * topK * 4,
        numTokens: count,
        topK,
        width,
      })
      return [...out.values]
    }
    expect(Array.from({ length: numTokens }, (_, token) => run(token, 1)).flat()).toEqual(run(0, numTokens))
  })

  test("emitGatherRows: copies the rows of a list, and nothing between rows that are further apart than they are long", () => {
    const list = [4, 0, 0, 3]
    for (const width of WIDTHS)
      for (const gap of [0, 3]) {
        const stride = width + gap
        const x = rows(5, stride, 1)
        const chosen = runner.place(Int32Array.from(list))
        const out = runner.place(new Float32Array(list.length * stride).fill(7))
        gather({
          x: x.address,
          xStride: stride * 4,
          rows: chosen.address,
          numRows: list.length,
          out: out.address,
          rowBytes: width * 4,
        })
        const expected = list.flatMap((row) => [
          ...x.values.subarray(row * stride, row * stride + width),
          ...Array<number>(gap).fill(7),
        ])
        expect([...out.values], `width ${width}`).toEqual(expected)
      }
  })

  test("row kernels: no rows are no work", () => {
    const nothing = runner.place(new Float32Array(0)).address
    norm({ x: nothing, out: nothing, weight: nothing, numRows: 0, width: 64, epsilon: 0 })
    addScaled({ out: nothing, x: nothing, factors: 0, numRows: 0, width: 64 })
    combine({ out: nothing, outputs: nothing, rows: nothing, weights: nothing, numTokens: 0, topK: 2, width: 64 })
    gather({ x: nothing, xStride: 256, rows: nothing, numRows: 0, out: nothing, rowBytes: 256 })
  })
})

function combinePlainly(
  outputs: Float32Array,
  rows: Int32Array,
  weights: Float32Array,
  topK: number,
  width: number,
): Float32Array {
  const out = new Float32Array((rows.length / topK) * width)
  for (const [assignment, row] of rows.entries()) {
    if (row < 0) continue
    const first = Math.floor(assignment / topK) * width
    for (let i = 0; i < width; i++) out[first + i]! += weights[assignment]! * outputs[row * width + i]!
  }
  return out
}
