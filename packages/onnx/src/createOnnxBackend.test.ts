import { afterAll, describe, expect, test } from "bun:test"
import {
  BACKEND_CASES,
  PLAIN_OPS,
  checkCase,
  createArena,
  createReferenceBackend,
  type Format,
  packExpertSlab,
  packMatrixSlab,
  planExpertSlab,
  planMatrixSlab,
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

  test("the table reaches every format, but only what every backend has, and no caches in bf16, and leaves nothing in the arena", () => {
    for (const { name, op, run } of BACKEND_CASES)
      expect(run(onnx) === undefined, name).toBe(!PLAIN_OPS.has(op) || name.includes("bf16"))
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

  test("a slab is copied: what it was packed in may be freed, and what it holds is counted and given back", () => {
    for (const [format, elementBytes] of [
      ["f32", 4],
      ["int8", 1],
      ["int4", 1],
    ] as const) {
      const [x, before, after] = [arena.rows(1, 256), arena.rows(1, 256), arena.rows(1, 256)]
      x.values.set(noise(256, 9, 1))
      const { slab, span } = openExpert(format)
      onnx.expert(before, x, 0, 1, slab)
      arena.free(span)
      onnx.expert(after, x, 0, 1, slab)
      expect(after.values).toEqual(before.values)
      expect(slab.readsArena).toBe(false)
      const vectors = format === "f32" ? 0 : 3 * 256 * 4
      expect(onnx.numBytes(slab)).toBe(3 * 256 * 256 * elementBytes + vectors)
      expect(arena.usedBytes).toBe(onnx.numBytes(slab) + 3 * 1024)
      onnx.closeSlab(slab)
      for (const rows of [x, before, after]) arena.free(rows.span)
      expect(arena.usedBytes).toBe(0)
    }
  })

  test("a slab for which the arena has no room is refused, and keeps nothing", () => {
    const layout = planExpertSlab({ ...SHAPE, format: "int4" })
    const small = createArena({ limitBytes: layout.bytes + 3 * 256 * 256 })
    const backend = createOnnxBackend(small, { numThreads: 1 })
    const span = small.allocate(layout.bytes)
    expect(() => backend.openSlab(span, layout)).toThrow("raise the memory setting")
    expect(small.usedBytes).toBe(layout.bytes)
    backend.close()
    small.close()
  })

  test.each(["int8", "int4"] as const)("a matrix's product has the reference's bits, in %s", (format) => {
    const layout = planMatrixSlab({ format, numRows: 70, numColumns: 200, hasBias: true })
    const span = arena.allocate(layout.bytes)
    packMatrixSlab(arena.bytes(span), layout, noise(70 * 200, 1, 0.1), noise(70, 2, 0.1))
    const [x, out, expected] = [arena.rows(9, 200), arena.rows(9, 70), arena.rows(9, 70)]
    x.values.set(noise(9 * 200, 3, 1))
    const slabs = [onnx.openSlab(span, layout), reference.openSlab(span, layout)] as const
    onnx.matmul(out, x, 9, slabs[0])
    reference.matmul(expected, x, 9, slabs[1])
    expect(out.values).toEqual(expected.values)
    onnx.closeSlab(slabs[0])
    for (const used of [span, x.span, out.span, expected.span]) arena.free(used)
  })

  test.each(["int8", "int4"] as const)(
    "a row's result is the same alone and among 40 others, bit for bit, in %s",
    (format) => {
      const { slab, span } = openExpert(format)
      const [x, out] = [arena.rows(40, 256), arena.rows(40, 256)]
      x.values.set(noise(40 * 256, 9, 1))
      onnx.expert(out, x, 0, 40, slab)
      const together = out.values.slice()
      for (let row = 0; row < 40; row++) onnx.expert(out, x, row, 1, slab)
      expect(out.values).toEqual(together)
      onnx.closeSlab(slab)
      for (const used of [span, x.span, out.span]) arena.free(used)
    },
  )

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

  test("a slab that was closed, or that does not fit, is an error that says so", () => {
    const { slab, span, layout } = openExpert("int8")
    expect(() => onnx.openSlab({ ...span, bytes: 100 }, layout)).toThrow("does not fit a span of 100")
    onnx.closeSlab(slab)
    const rows = arena.rows(1, 256)
    expect(() => onnx.expert(rows, rows, 0, 1, slab)).toThrow("not open")
    for (const used of [span, rows.span]) arena.free(used)
  })
})
