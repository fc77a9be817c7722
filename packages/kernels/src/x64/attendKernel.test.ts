import { describe, expect, test } from "bun:test"
import { noise } from "@consilium/tensor"
import { expectClose } from "@consilium/testing"
import * as fc from "fast-check"
import { describeEachWidth } from "../../test/describeEachWidth.ts"
import type { KernelRunner } from "../../test/kernelRunner.ts"
import { attendHead, createAttendScratch } from "../attendHead.ts"
import { packPairs, roundToBf16 } from "../cacheFormat.ts"
import type { VectorBytes } from "./Assembler.ts"
import { ATTEND } from "./attendArguments.ts"
import { emitAttend } from "./attendKernel.ts"
import { planAttendTile } from "./attendTile.ts"

/** Heads that share one key head, at consecutive positions behind a past. */
interface Shape {
  readonly headDim: number
  readonly numHeads: number
  readonly pastLength: number
  readonly numRows: number
  readonly window: number
}

interface Inputs {
  /** `[numRows, numHeads, headDim]` */
  readonly queries: Float32Array
  /** `[pastLength + numRows, headDim]` each. */
  readonly keys: Float32Array
  readonly values: Float32Array
}

/** Positions and heads of one call of the kernel. */
interface Piece {
  readonly firstRow: number
  readonly numRows: number
  readonly firstHead: number
  readonly numHeads: number
}

const HEAD_DIMS = [1, 2, 4, 8, 10, 16, 24, 36, 64, 80, 96, 100, 128, 256]
const SCRATCH_BYTES = 512 << 10

/** Heads of bf16 in pairs; the bits of words, as f32. */
function pairsOf(values: Float32Array, headDim: number, distance: number): Float32Array {
  const words = new Int32Array(values.length / 2)
  for (let head = 0; head < values.length; head += headDim) packPairs(words, head / 2, values, head, headDim, distance)
  return new Float32Array(words.buffer)
}

/** What a cache in pairs holds of keys and values. */
function rounded(inputs: Inputs): Inputs {
  const round = (values: Float32Array): Float32Array => {
    const bits = new Int32Array(values.slice().buffer)
    return new Float32Array(bits.map((word) => roundToBf16(word) << 16).buffer)
  }
  return { ...inputs, keys: round(inputs.keys), values: round(inputs.values) }
}

function makeInputs({ headDim, numHeads, pastLength, numRows }: Shape, seed: number): Inputs {
  const length = pastLength + numRows
  return {
    queries: noise(numRows * numHeads * headDim, seed, 1),
    keys: noise(length * headDim, seed + 1, 1),
    values: noise(length * headDim, seed + 2, 1),
  }
}

function attendPlainly(shape: Shape, { queries, keys, values }: Inputs): Float32Array {
  const { headDim, numHeads, pastLength, numRows, window } = shape
  const out = new Float32Array(queries.length)
  const rows = (values: Float32Array) => ({ values, width: headDim, span: { segment: 0, offset: 0, bytes: 0 } })
  const capacity = pastLength + numRows
  const slot = { firstRow: 0, numRows, pastLength, capacity, keys: rows(keys), values: rows(values) }
  const layer = {
    numHeads,
    numKvHeads: 1,
    headDim,
    scale: 1 / Math.sqrt(headDim),
    rope: undefined,
    slidingWindow: window,
    qkNorm: undefined,
  }
  const scratch = createAttendScratch()
  for (let row = 0; row < numRows; row++) {
    for (let head = 0; head < numHeads; head++) {
      const at = (row * numHeads + head) * headDim
      attendHead(out, at, queries, at, pastLength + row, 0, slot, layer, scratch)
    }
  }
  return out
}

/** As many positions at once as a tile has room for. */
function tilesOf({ headDim, numHeads, numRows }: Shape, vectorBytes: VectorBytes): Piece[] {
  const most = Math.floor(planAttendTile(headDim, vectorBytes, false).maxQueries / numHeads)
  return Array.from({ length: Math.ceil(numRows / most) }, (_, i) => ({
    firstRow: i * most,
    numRows: Math.min(most, numRows - i * most),
    firstHead: 0,
    numHeads,
  }))
}

describeEachWidth("attention", SCRATCH_BYTES, (vectorBytes, runner) => {
  describe("of a cache in f32", () => describeAttention(vectorBytes, runner, false))
  describe("of a cache in bf16 pairs", () => describeAttention(vectorBytes, runner, true))
})

function describeAttention(vectorBytes: VectorBytes, runner: KernelRunner, isPaired: boolean): void {
  const distance = vectorBytes / 4
  const headDims = HEAD_DIMS.filter((headDim) => !isPaired || headDim % (2 * distance) === 0)
  /** Heads of about this size. */
  const dimsNear = (headDim: number): number => headDims.find((of) => of >= headDim)!
  const kernels = new Map<number, ReturnType<typeof loadKernel>>()
  function loadKernel(headDim: number) {
    return runner.load(emitAttend(headDim, vectorBytes, isPaired), ATTEND)
  }
  const kernel = (headDim: number) => {
    const known = kernels.get(headDim) ?? loadKernel(headDim)
    kernels.set(headDim, known)
    return known
  }

  /** Runs the pieces; the caches hold what is given, and end where nobody may read. */
  function run(shape: Shape, inputs: Inputs, pieces: readonly Piece[], side: "start" | "end" = "end"): Float32Array {
    const { headDim, numHeads, pastLength, window } = shape
    const place = (values: Float32Array) => runner.place(values, side)
    const cache = (values: Float32Array) => place(isPaired ? pairsOf(values, headDim, distance) : values)
    const [queries, keys, values] = [place(inputs.queries), cache(inputs.keys), cache(inputs.values)]
    const out = place(new Float32Array(inputs.queries.length).fill(7))
    const stride = numHeads * headDim * 4
    for (const piece of pieces) {
      const offset = piece.firstRow * stride + piece.firstHead * headDim * 4
      kernel(headDim)({
        queries: queries.address + offset,
        queryStride: stride,
        out: out.address + offset,
        outStride: stride,
        keys: keys.address,
        values: values.address,
        position: pastLength + piece.firstRow,
        numPositions: piece.numRows,
        numHeads: piece.numHeads,
        window: Math.min(window, 2 ** 30),
        scale: 1 / Math.sqrt(headDim),
      })
    }
    return out.values
  }
  const runTiles = (shape: Shape, inputs: Inputs) => run(shape, inputs, tilesOf(shape, vectorBytes))

  test.each(headDims)("heads of %i match plain attention, on guarded memory", (headDim) => {
    for (const [i, [numHeads, pastLength, numRows, window]] of (
      [
        [1, 0, 1, Infinity],
        [1, 0, 70, Infinity],
        [2, 63, 1, Infinity],
        [4, 64, 3, Infinity],
        [8, 200, 13, Infinity],
        [3, 150, 30, 3],
        [1, 130, 80, 64],
        [5, 61, 90, 100],
        [7, 10, 2, 1],
      ] as const
    ).entries()) {
      const shape = { headDim, numHeads, pastLength, numRows, window }
      const inputs = makeInputs(shape, 10 * i)
      const expected = attendPlainly(shape, isPaired ? rounded(inputs) : inputs)
      const name = JSON.stringify(shape)
      for (const side of ["start", "end"] as const)
        expectClose(run(shape, inputs, tilesOf(shape, vectorBytes), side), expected, 1e-5, { name })
    }
  })

  const shapes = fc.record({
    headDim: fc.constantFrom(...headDims),
    numHeads: fc.integer({ min: 1, max: 9 }),
    pastLength: fc.integer({ min: 0, max: 200 }),
    numRows: fc.integer({ min: 1, max: 70 }),
    window: fc.oneof(fc.integer({ min: 1, max: 200 }), fc.constant(Infinity)),
    seed: fc.integer({ min: 0, max: 1000 }),
  })

  test("a query has the same bits alone, in a chunk, and in any tile of positions and heads", () => {
    fc.assert(
      fc.property(shapes, fc.infiniteStream(fc.integer({ min: 1, max: 40 })), (shape, sizes) => {
        const inputs = makeInputs(shape, shape.seed)
        const whole = runTiles(shape, inputs)
        expectClose(whole, attendPlainly(shape, isPaired ? rounded(inputs) : inputs), 1e-5, { relative: 1e-5 })
        const pieces: Piece[] = []
        for (let firstHead = 0; firstHead < shape.numHeads;) {
          const numHeads = Math.min(sizes.next().value, shape.numHeads - firstHead)
          const most = Math.floor(planAttendTile(shape.headDim, vectorBytes, isPaired).maxQueries / numHeads)
          for (let firstRow = 0; firstRow < shape.numRows;) {
            const numRows = Math.min(sizes.next().value, shape.numRows - firstRow, most)
            pieces.push({ firstRow, numRows, firstHead, numHeads })
            firstRow += numRows
          }
          firstHead += numHeads
        }
        const single = Array.from({ length: shape.numRows }, (_, firstRow) => ({
          firstRow,
          numRows: 1,
          firstHead: 0,
          numHeads: shape.numHeads,
        }))
        for (const cut of [single, pieces]) expect(run(shape, inputs, cut)).toEqual(whole)
      }),
      { numRuns: 30 },
    )
  })

  test("what lies in the cache past the last position is never used", () => {
    const shape = { headDim: dimsNear(24), numHeads: 3, pastLength: 70, numRows: 9, window: Infinity }
    const inputs = makeInputs(shape, 1)
    const stale = (values: Float32Array) => {
      const longer = new Float32Array(values.length + 100 * shape.headDim).fill(Number.NaN)
      longer.set(values)
      return longer
    }
    const found = runTiles(shape, { ...inputs, keys: stale(inputs.keys), values: stale(inputs.values) })
    expect(found).toEqual(runTiles(shape, inputs))
  })

  test.each(["queries", "keys", "values"] as const)("NaN in %s shows in what sees it, and nowhere else", (part) => {
    const shape = { headDim: dimsNear(40), numHeads: 2, pastLength: 60, numRows: 90, window: 50 }
    const inputs = makeInputs(shape, 2)
    const clean = runTiles(shape, inputs)
    const { headDim, numHeads, pastLength, numRows, window } = shape
    for (const row of [0, 3, 4, 70, 89]) {
      const position = pastLength + row
      const values = inputs[part].slice()
      const at = (part === "queries" ? row * numHeads : position) * headDim + 17
      values[at] = Number.NaN
      const found = runTiles(shape, { ...inputs, [part]: values })
      for (let i = 0; i < found.length; i++) {
        const [query, dim] = [Math.floor(i / headDim), i % headDim]
        const seen = pastLength + Math.floor(query / numHeads)
        const isSeen = seen >= position && seen < position + window
        const isFaulty = part === "queries" ? query === row * numHeads : isSeen && (part === "keys" || dim === 17)
        if (isFaulty !== Number.isNaN(found[i]) || (!isFaulty && found[i] !== clean[i]))
          throw new Error(`NaN at ${position}: row ${Math.floor(query / numHeads)} of ${numRows} is ${found[i]}`)
      }
    }
  })

  test("scores far beyond the range of exp are no NaN, and the largest wins wherever it is", () => {
    const headDim = dimsNear(2)
    const shape = { headDim, numHeads: 1, pastLength: 130, numRows: 1, window: Infinity }
    for (const winner of [0, 63, 64, 130]) {
      const keys = new Float32Array(131 * headDim)
      const inputs = { queries: new Float32Array(headDim), keys, values: noise(131 * headDim, 3, 1) }
      inputs.queries[0] = 1000
      for (let key = 0; key < 131; key++) keys[headDim * key] = key === winner ? 1000 : -1000
      const { values } = isPaired ? rounded(inputs) : inputs
      expect([...runTiles(shape, inputs)]).toEqual([...values.subarray(headDim * winner, headDim * (winner + 1))])
    }
  })
}
