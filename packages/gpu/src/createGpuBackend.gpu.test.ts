import { afterAll, describe, expect, test } from "bun:test"
import {
  type Arena,
  BACKEND_CASES,
  checkCase,
  createArena,
  createReferenceBackend,
  type Format,
  packExpertSlab,
  packMatrixSlab,
  planExpertSlab,
  planMatrixSlab,
  type Slab,
} from "@consilium/kernels"
import { noise } from "@consilium/tensor"
import { whyNoGpu, withGpu } from "../test/openGpu.ts"
import { createGpuBackend, type GpuBackend } from "./index.ts"

const FORMATS = ["f32", "int8", "int4"] as const
const SHAPE = { hiddenSize: 256, intermediateSize: 256, activation: "silu", hasGateProj: true, hasBias: false } as const

/** No size is whole tiles; some sums lie beyond the limit. */
const ODD = {
  hiddenSize: 200,
  intermediateSize: 70,
  activation: { kind: "clamped-silu", limit: 0.5 },
  hasGateProj: true,
  hasBias: true,
} as const

function packExpert(arena: Arena, format: Format, shape: typeof SHAPE | typeof ODD = SHAPE) {
  const { hiddenSize, intermediateSize, hasBias } = shape
  const layout = planExpertSlab({ ...shape, format })
  const span = arena.allocate(layout.bytes)
  const weights = (seed: number): Float32Array => noise(hiddenSize * intermediateSize, seed, 0.1)
  packExpertSlab(arena.bytes(span), layout, {
    gateProj: weights(1),
    upProj: weights(2),
    downProj: weights(3),
    ...(hasBias && {
      gateBias: noise(intermediateSize, 4, 0.1),
      upBias: noise(intermediateSize, 5, 0.1),
      downBias: noise(hiddenSize, 6, 0.1),
    }),
  })
  return { span, layout }
}

describe.skipIf(whyNoGpu() !== undefined)("createGpuBackend", () => {
  const arena = createArena()
  let gpu!: GpuBackend
  const opened = (): GpuBackend => (gpu ??= createGpuBackend(arena))
  const reference = createReferenceBackend(arena)
  afterAll(() => {
    gpu?.close()
    arena.close()
  })
  const openExpert = (format: Format, ...shape: readonly (typeof ODD)[]): { slab: Slab; free: () => void } => {
    const { span, layout } = packExpert(arena, format, ...shape)
    const slab = opened().openSlab(span, layout)
    const free = (): void => {
      gpu.closeSlab(slab)
      arena.free(span)
    }
    return { slab, free }
  }

  test.each(BACKEND_CASES.map((item) => [item.name, item] as const))("%s", (_, item) => {
    expect(checkCase(item, opened(), reference)).toBeUndefined()
  })

  test("the table reaches every operation and format, and nothing stays in the arena", () => {
    for (const { name, run } of BACKEND_CASES) expect(run(opened()), name).toBeDefined()
    expect(arena.usedBytes).toBe(0)
  })

  test.each(["int8", "int4"] as const)(
    "a matrix's product has the reference's bits up to the last, in %s",
    (format) => {
      const layout = planMatrixSlab({ format, numRows: 70, numColumns: 200, hasBias: true })
      const span = arena.allocate(layout.bytes)
      packMatrixSlab(arena.bytes(span), layout, noise(70 * 200, 1, 0.1), noise(70, 2, 0.1))
      const [x, out, expected] = [arena.rows(9, 200), arena.rows(9, 70), arena.rows(9, 70)]
      x.values.set(noise(9 * 200, 3, 1))
      const slab = opened().openSlab(span, layout)
      gpu.matmul(out, x, 9, slab)
      reference.matmul(expected, x, 9, reference.openSlab(span, layout))
      const worst = out.values.reduce((most, value, i) => Math.max(most, Math.abs(value - expected.values[i]!)), 0)
      expect(worst).toBeLessThan(1e-6)
      gpu.closeSlab(slab)
      for (const used of [span, x.span, out.span, expected.span]) arena.free(used)
    },
  )

  test.each(FORMATS)(
    "a row's result is the same alone, in a few and in many, a fault's too, bit for bit, in %s",
    (format) => {
      const { slab, free } = openExpert(format, ODD)
      const [x, out] = [arena.rows(71, 200), arena.rows(71, 200)]
      x.values.set(noise(71 * 200, 9, 1))
      x.values[3 * 200] = Number.NaN
      x.values[67 * 200 + 199] = Number.POSITIVE_INFINITY
      const run = (few: number, numRows: number): Uint32Array => {
        for (let row = 0; row < numRows; row += few) gpu.expert(out, x, row, Math.min(few, numRows - row), slab)
        return new Uint32Array(out.values.slice(0, numRows * 200).buffer)
      }
      const together = run(71, 71)
      for (let row = 0; row < 71; row++) {
        const numFaults = out.values
          .subarray(row * 200, (row + 1) * 200)
          .filter((value) => !Number.isFinite(value)).length
        expect(numFaults).toBe(row === 3 || row === 67 ? 200 : 0)
      }
      for (const few of [1, 4, 8, 17]) {
        out.values.fill(0)
        const bits = run(few, 2 * few)
        expect(bits.findIndex((value, i) => value !== together[i])).toBe(-1)
      }
      // As the rows of a plan's expert, the last token's first.
      const order = Int32Array.from({ length: 71 }, (_, row) => 70 - row)
      const offsets = Int32Array.of(0, 71)
      gpu.experts!(out, x, { numTokens: 71, topK: 1, order, offsets, rows: order, weights: new Float32Array(71) }, [
        slab,
      ])
      const gathered = new Uint32Array(out.values.slice().buffer)
      for (const [row, token] of order.entries())
        expect(gathered.subarray(row * 200, (row + 1) * 200)).toEqual(together.slice(token * 200, (token + 1) * 200))
      free()
      for (const { span } of [x, out]) arena.free(span)
    },
  )

  test.each(FORMATS)("a fault in a row shows in all of its results and in no other row's, in %s", (format) => {
    const { slab, free } = openExpert(format)
    const [x, out] = [arena.rows(3, 256), arena.rows(3, 256)]
    for (const fault of [Number.NaN, Number.POSITIVE_INFINITY]) {
      for (const at of [0, 100, 255]) {
        x.values.set(noise(3 * 256, 9, 1))
        x.values[256 + at] = fault
        gpu.expert(out, x, 0, 3, slab)
        const numFaults = [0, 1, 2].map(
          (row) => out.values.subarray(row * 256, (row + 1) * 256).filter((value) => !Number.isFinite(value)).length,
        )
        expect(numFaults).toEqual([0, 256, 0])
      }
    }
    free()
    for (const { span } of [x, out]) arena.free(span)
  })

  test("a slab that was closed, that does not fit, or an id past the rows is an error that says so", () => {
    const { span, layout } = packExpert(arena, "int8")
    expect(() => opened().openSlab({ ...span, bytes: 100 }, layout)).toThrow("does not fit a span of 100")
    const slab = gpu.openSlab(span, layout)
    expect(gpu.numBytes(slab)).toBe(2 * layout.bytes)
    gpu.closeSlab(slab)
    const rows = arena.rows(1, 256)
    expect(() => gpu.expert(rows, rows, 0, 1, slab)).toThrow("not open")
    for (const used of [span, rows.span]) arena.free(used)
  })

  test("slabs of a layout share a buffer: each computes as before it grew, and what is closed is given back", () => {
    const [x, first, again] = [arena.rows(1, 256), arena.rows(1, 256), arena.rows(1, 256)]
    x.values.set(noise(256, 9, 1))
    const experts = [openExpert("int4")]
    gpu.expert(first, x, 0, 1, experts[0]!.slab)
    for (let i = 0; i < 4; i++) experts.push(openExpert("int4"))
    for (const { slab } of experts) {
      gpu.expert(again, x, 0, 1, slab)
      expect(again.values).toEqual(first.values)
    }
    const { numBuffers } = gpu.deviceMemory()
    for (const { free } of experts) free()
    expect(gpu.deviceMemory().numBuffers).toBe(numBuffers - 1)
    for (const { span } of [x, first, again]) arena.free(span)
  })

  test("a slab that is larger than the adapter's buffers is an error that says so", () => {
    const { span, layout } = packExpert(arena, "int8")
    const bytes = 2 ** 40
    expect(() => opened().openSlab({ ...span, bytes }, { ...layout, bytes })).toThrow(
      "larger than the adapter's buffers",
    )
    arena.free(span)
  })

  test("the device's buffers and bytes are those of open slabs and scratch: 1,000 requests leave what one leaves", () => {
    const layout = planExpertSlab({ ...SHAPE, format: "int8", hiddenSize: 64, intermediateSize: 32 })
    const span = arena.allocate(layout.bytes)
    const [x, out] = [arena.rows(1, 64), arena.rows(1, 64)]
    const request = (): void => {
      const slab = opened().openSlab(span, layout)
      gpu.expert(out, x, 0, 1, slab)
      gpu.closeSlab(slab)
    }
    request()
    const after = opened().deviceMemory()
    for (let i = 0; i < 1000; i++) request()
    expect(gpu.deviceMemory()).toEqual(after)
    for (const used of [span, x.span, out.span]) arena.free(used)
  })

  test("what the device refuses is an error in its words, and the next call computes", () => {
    const layout = planMatrixSlab({ format: "f32", numRows: 2, numColumns: 1, hasBias: false })
    const span = arena.allocate(layout.bytes)
    packMatrixSlab(arena.bytes(span), layout, Float32Array.of(3, 5))
    const slab = opened().openSlab(span, layout)
    const out = arena.rows(70_000, 1)
    expect(() => gpu.embed(out, new Int32Array(70_000).fill(1), 70_000, slab)).toThrow("65535")
    gpu.embed(out, Int32Array.of(1, 0), 2, slab)
    expect([...out.values.subarray(0, 2)]).toEqual([5, 3])
    gpu.closeSlab(slab)
    for (const used of [span, out.span]) arena.free(used)
  })

  test("a lost device is a fault of one call; the next opens it again, with the same results, five times", () => {
    const { slab, free } = openExpert("int4")
    const [x, out] = [arena.rows(2, 256), arena.rows(2, 256)]
    x.values.set(noise(2 * 256, 9, 1))
    gpu.expert(out, x, 0, 2, slab)
    const before = out.values.slice()
    for (let i = 0; i < 5; i++) {
      expect(gpu.endHost!()).toBe(true)
      out.values.fill(0)
      expect(() => gpu.expert(out, x, 0, 2, slab)).toThrow("gpu: the device was lost")
      gpu.expert(out, x, 0, 2, slab)
      expect(out.values).toEqual(before)
    }
    free()
    for (const { span } of [x, out]) arena.free(span)
  })
})

describe.skipIf(whyNoGpu() !== undefined)("createGpuBackend: its end", () => {
  test("a closed backend holds nothing on the device, and refuses to compute", () => {
    const closed = withGpu((gpu, arena) => {
      const { span, layout } = packExpert(arena, "int8")
      gpu.openSlab(span, layout)
      expect(gpu.deviceMemory()).toEqual({ numBuffers: 1, slabBytes: layout.bytes, bytes: layout.bytes })
      return gpu
    })
    expect(closed.deviceMemory()).toEqual({ numBuffers: 0, slabBytes: 0, bytes: 0 })
    expect(() => closed.beginStep!()).toThrow("closed")
  })
})
