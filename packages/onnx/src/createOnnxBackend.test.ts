import { afterAll, describe, expect, test } from "bun:test"
import {
  BACKEND_CASES,
  checkCase,
  createArena,
  createReferenceBackend,
  type Format,
  packExpertSlab,
  planExpertSlab,
} from "@consilium/kernels"
import { noise } from "@consilium/tensor"
import { createOnnxBackend } from "./index.ts"

const arena = createArena({})
const onnx = createOnnxBackend(arena, { numThreads: 2 })
const reference = createReferenceBackend(arena)
afterAll(() => {
  onnx.close()
  arena.close()
})

describe("createOnnxBackend", () => {
  test.each(BACKEND_CASES.map((item) => [item.name, item] as const))("%s", (_, item) => {
    expect(checkCase(item, onnx, reference)).toBeUndefined()
  })

  test("the table reaches every format, and leaves nothing in the arena", () => {
    expect(BACKEND_CASES.filter(({ run }) => run(onnx) !== undefined).length).toBe(BACKEND_CASES.length)
    expect(arena.usedBytes).toBe(0)
  })

  const SHAPE = {
    hiddenSize: 256,
    intermediateSize: 256,
    activation: "silu",
    hasGateProj: true,
    hasBias: false,
  } as const
  const openExpert = (format: Format) => {
    const layout = planExpertSlab({ ...SHAPE, format })
    const span = arena.allocate(layout.bytes)
    const size = 256 * 256
    packExpertSlab(arena.bytes(span), layout, {
      gateProj: noise(size, 1, 0.1),
      upProj: noise(size, 2, 0.1),
      downProj: noise(size, 3, 0.1),
    })
    return { span, layout, slab: onnx.openSlab(span, layout) }
  }

  test("int8 weights stay in the arena, int4 weights leave it", () => {
    const [int8, int4] = [openExpert("int8"), openExpert("int4")]
    expect([int8.slab.readsArena, int4.slab.readsArena]).toEqual([true, false])
    expect(onnx.numBytes(int8.slab)).toBe(int8.layout.bytes)
    expect(onnx.numBytes(int4.slab)).toBeGreaterThan(int4.layout.bytes)
    for (const { slab, span } of [int8, int4]) {
      onnx.closeSlab(slab)
      arena.free(span)
    }
  })

  test("a row's result is the same alone and among 40 others, bit for bit, in int8", () => {
    const { slab, span } = openExpert("int8")
    const [x, out] = [arena.rows(40, 256), arena.rows(40, 256)]
    x.values.set(noise(40 * 256, 9, 1))
    onnx.expert(out, x, 0, 40, slab)
    const together = out.values.slice()
    for (let row = 0; row < 40; row++) onnx.expert(out, x, row, 1, slab)
    expect(out.values).toEqual(together)
    onnx.closeSlab(slab)
    for (const used of [span, x.span, out.span]) arena.free(used)
  })

  test.each(["f32", "int8", "int4"] as const)(
    "a fault in a row shows in all of its results and in no other row's, in %s",
    (format) => {
      const { slab, span } = openExpert(format)
      const [x, out] = [arena.rows(3, 256), arena.rows(3, 256)]
      for (const fault of [Number.NaN, Number.POSITIVE_INFINITY]) {
        for (const at of [0, 100, 255]) {
          x.values.set(noise(3 * 256, 9, 1))
          x.values[256 + at] = fault
          onnx.expert(out, x, 0, 3, slab)
          const faulty = Array.from({ length: 3 }, (_, row) => [...out.values.subarray(row * 256, (row + 1) * 256)])
          expect(faulty.map((row) => row.filter((value) => !Number.isFinite(value)).length)).toEqual([0, 256, 0])
        }
      }
      onnx.closeSlab(slab)
      for (const used of [span, x.span, out.span]) arena.free(used)
    },
  )

  test("opening and closing 200 sessions leaves no memory behind", () => {
    const cycle = (times: number): void => {
      for (let i = 0; i < times; i++) {
        const { slab, span } = openExpert("int4")
        onnx.closeSlab(slab)
        arena.free(span)
      }
      Bun.gc(true)
    }
    cycle(50)
    const before = process.memoryUsage.rss()
    cycle(200)
    // One expert is 120 KB: 200 of them would be 24 MB.
    expect(process.memoryUsage.rss() - before).toBeLessThan(16 * 2 ** 20)
  })

  test("a slab that was closed, or that does not fit, is an error that says so", () => {
    const { slab, span, layout } = openExpert("int8")
    expect(() => onnx.openSlab({ ...span, bytes: 100 }, layout)).toThrow("does not fit a span of 100")
    onnx.closeSlab(slab)
    const rows = arena.rows(1, 256)
    expect(() => onnx.expert(rows, rows, 0, 1, slab)).toThrow("not open")
    for (const used of [span, rows.span]) arena.free(used)
  })
})
