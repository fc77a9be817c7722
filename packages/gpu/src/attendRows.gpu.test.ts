import { afterAll, describe, expect, test } from "bun:test"
import {
  type AttentionLayer,
  type Backend,
  createArena,
  createReferenceBackend,
  type Rows,
  type SlotRows,
} from "@consilium/kernels"
import { noise } from "@consilium/tensor"
import { whyNoGpu } from "../test/openGpu.ts"
import { createGpuBackend, type GpuBackend } from "./index.ts"

const POSITIONS = 600

type LayerShape = Pick<AttentionLayer, "numHeads" | "numKvHeads" | "headDim"> & {
  readonly slidingWindow?: number
  readonly isPlain?: boolean
}

/** A layer with a norm over heads and rope, unless it is plain. */
function planLayer({
  slidingWindow = Number.POSITIVE_INFINITY,
  isPlain = false,
  ...shape
}: LayerShape): AttentionLayer {
  const numPairs = Math.floor(shape.headDim / 4)
  const angles = noise(POSITIONS * numPairs, 3, 3)
  const rope = { cos: angles.map(Math.cos), sin: angles.map(Math.sin), rotaryDim: 2 * numPairs, isInterleaved: false }
  const qkNorm = { over: "head", q: noise(shape.headDim, 1, 2), k: noise(shape.headDim, 2, 2), epsilon: 1e-6 } as const
  const scale = 1 / Math.sqrt(shape.headDim)
  return { ...shape, scale, slidingWindow, rope: isPlain ? undefined : rope, qkNorm: isPlain ? undefined : qkNorm }
}

interface Slot {
  readonly numRows: number
  readonly pastLength: number
}

describe.skipIf(whyNoGpu() !== undefined)("attendRows", () => {
  const arena = createArena()
  let opened!: GpuBackend
  const gpu = (): GpuBackend => (opened ??= createGpuBackend(arena))
  const reference = createReferenceBackend(arena)
  afterAll(() => {
    opened?.close()
    arena.close()
  })

  /** Attends of seeded rows over seeded pasts; returns out, qkv and the caches as they are then. `spoil` changes qkv first. */
  const attend = (backend: Backend, layer: AttentionLayer, shape: readonly Slot[], spoil?: (qkv: Rows) => void) => {
    const { numHeads, numKvHeads, headDim } = layer
    const numRows = shape.reduce((sum, slot) => sum + slot.numRows, 0)
    const width = (numHeads + 2 * numKvHeads) * headDim
    const [qkv, out] = [arena.rows(numRows, width), arena.rows(numRows, numHeads * headDim)]
    let firstRow = 0
    const slots: SlotRows[] = shape.map((slot, s) => {
      const capacity = slot.pastLength + slot.numRows + 3
      const [keys, values] = [arena.rows(numKvHeads * capacity, headDim), arena.rows(numKvHeads * capacity, headDim)]
      keys.values.set(noise(keys.values.length, 50 + s, 1))
      values.values.set(noise(values.values.length, 80 + s, 1))
      firstRow += slot.numRows
      return { ...slot, firstRow: firstRow - slot.numRows, capacity, keys, values }
    })
    qkv.values.set(noise(numRows * width, 9, 1))
    spoil?.(qkv)
    for (const { keys, values } of slots) for (const cache of [keys, values]) backend.wrote?.(cache as Rows)
    backend.attend(out, qkv, slots, layer)
    const rows = [out, qkv, ...slots.flatMap(({ keys, values }) => [keys as Rows, values as Rows])]
    const results = rows.map(({ values }) => values.slice())
    for (const { span } of rows) arena.free(span)
    return results
  }
  const expectClose = (layer: AttentionLayer, shape: readonly Slot[]): void => {
    const expected = attend(reference, layer, shape)
    for (const [i, found] of attend(gpu(), layer, shape).entries()) {
      const worst = found.reduce((most, value, at) => Math.max(most, Math.abs(value - expected[i]![at]!)), 0)
      expect(worst).toBeLessThan(2e-5)
    }
  }

  test.each([Number.POSITIVE_INFINITY, 100, 64, 1])(
    "a long past, decoded alone, in a batch and by chunks, is as the reference has it, with a window of %d",
    (slidingWindow) => {
      const layer = planLayer({ numHeads: 4, numKvHeads: 2, headDim: 16, slidingWindow })
      const long = { numRows: 1, pastLength: 333 }
      expectClose(layer, [long])
      expectClose(layer, [
        long,
        { numRows: 0, pastLength: 7 },
        { numRows: 21, pastLength: 190 },
        { numRows: 1, pastLength: 63 },
      ])
    },
  )

  test.each([5, 6, 40, 129, 132, 513, 514, 516, 1100])(
    "heads of %d values, whole vectors or not, are as the reference has them",
    (headDim) => {
      expectClose(planLayer({ numHeads: 3, numKvHeads: 1, headDim, isPlain: headDim % 2 === 1 }), [
        { numRows: 1, pastLength: 70 },
        { numRows: 2, pastLength: 0 },
      ])
    },
  )

  test("more slots than fit one dispatch's parameters are as the reference has them", () => {
    const slots = Array.from({ length: 17 }, (_, s) => ({ numRows: 1 + (s % 2), pastLength: 3 * s }))
    expectClose(planLayer({ numHeads: 2, numKvHeads: 1, headDim: 8 }), slots)
  })

  test.each([Number.POSITIVE_INFINITY, 90])(
    "a row's bits are the same in a chunk, in parts of it and alone, with a window of %d",
    (slidingWindow) => {
      // So many rows are attended by one workgroup each; fewer are split by blocks.
      const [numRows, numHeads, headDim] = [520, 8, 8]
      const layer = planLayer({ numHeads, numKvHeads: 2, headDim, slidingWindow })
      const [width, outWidth] = [12 * headDim, numHeads * headDim]
      const [qkv, out] = [arena.rows(numRows, width), arena.rows(numRows, outWidth)]
      const [keys, values] = [arena.rows(2 * numRows, headDim), arena.rows(2 * numRows, headDim)]
      const raw = noise(numRows * width, 9, 1)
      const run = (numOwn: number, pastLength: number): Float32Array => {
        qkv.values.set(raw.subarray(pastLength * width, (pastLength + numOwn) * width))
        const slot = { firstRow: 0, numRows: numOwn, pastLength, capacity: numRows, keys, values }
        gpu().attend(out, qkv, [slot], layer)
        return out.values.slice(0, numOwn * outWidth)
      }
      const whole = run(numRows, 0)
      const cached = [keys.values.slice(), values.values.slice()]
      for (const [numOwn, pastLength] of [
        [1, 0],
        [1, 63],
        [1, 64],
        [2, 127],
        [5, 300],
        [40, 480],
        [1, 519],
      ] as const)
        expect(run(numOwn, pastLength)).toEqual(whole.subarray(pastLength * outWidth, (pastLength + numOwn) * outWidth))
      expect([keys.values, values.values]).toEqual(cached as [Float32Array, Float32Array])
      for (const { span } of [qkv, out, keys, values]) arena.free(span)
    },
  )

  test("a NaN or an infinity shows where the reference has it, and leaves all else bit for bit", () => {
    const layer = planLayer({ numHeads: 4, numKvHeads: 2, headDim: 8, slidingWindow: 6, isPlain: true })
    const slots = [
      { numRows: 20, pastLength: 60 },
      { numRows: 1, pastLength: 90 },
    ]
    const [clean] = attend(gpu(), layer, slots)
    const width = 8 * 8
    for (const fault of [Number.NaN, Number.POSITIVE_INFINITY]) {
      for (const [from, to] of [
        [0, width],
        [3, 4],
        [4 * 8, 4 * 8 + 1],
        [width - 1, width],
      ]) {
        const spoil = ({ values }: Rows): void => void values.fill(fault, 7 * width + from!, 7 * width + to!)
        const [expected] = attend(reference, layer, slots, spoil)
        const [found] = attend(gpu(), layer, slots, spoil)
        expect(found!.map((value) => Number(Number.isFinite(value)))).toEqual(
          expected!.map((value) => Number(Number.isFinite(value))),
        )
        const [before, after] = [7 * 32, 13 * 32]
        expect(found!.subarray(0, before)).toEqual(clean!.subarray(0, before))
        expect(found!.subarray(after)).toEqual(clean!.subarray(after))
      }
    }
  })

  test("a lost device gets its norms and angles again", () => {
    const layer = planLayer({ numHeads: 2, numKvHeads: 1, headDim: 8 })
    const slots = [{ numRows: 2, pastLength: 5 }]
    const before = attend(gpu(), layer, slots)
    const memory = gpu().deviceMemory()
    gpu().endHost!()
    expect(() => attend(gpu(), layer, slots)).toThrow("the device was lost")
    expect(attend(gpu(), layer, slots)).toEqual(before)
    expect(gpu().deviceMemory().numBuffers).toBeLessThanOrEqual(memory.numBuffers)
  })
})
