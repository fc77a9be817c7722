import { afterEach, beforeEach, expect, test } from "bun:test"
import {
  type Arena,
  type Backend,
  createArena,
  createReferenceBackend,
  type Isa,
  planExpertSlab,
  planMatrixSlab,
} from "@consilium/kernels"
import { chooseX64 } from "./chooseX64.ts"

const BEST: Isa = { name: "avx512", vectorBytes: 64, cacheFormat: "bf16/16", hasVnni: true, hasTiles: false }
const OTHER: Isa = { name: "avx2", vectorBytes: 32, cacheFormat: "bf16/8", hasVnni: false, hasTiles: false }

let arena: Arena
let reference: Backend
beforeEach(() => {
  arena = createArena()
  reference = createReferenceBackend(arena)
})
afterEach(() => arena.close())

/** The reference under another name, with something broken; notes when it is opened and closed. */
function createSource(broken: Readonly<Partial<Record<Isa["name"] | "onnx", Partial<Backend>>>>) {
  const events: string[] = []
  const open = (name: Backend["name"], which: Isa["name"] | "onnx"): Backend => {
    events.push(`open ${which}`)
    return { ...reference, name, close: () => void events.push(`close ${which}`), ...broken[which] }
  }
  return {
    events,
    openX64: ({ name }: Isa) => open("x64", name),
    openOnnx: async () => open("onnx", "onnx"),
  }
}

const wrongNorm: Partial<Backend> = { norm: (out) => void out.values.fill(Number.NaN) }
/** Wrong on int8 matrices only. */
const wrongInt8 = (): Partial<Backend> => ({
  matmul(out, x, numRows, slab) {
    reference.matmul(out, x, numRows, slab)
    if (slab.layout.format === "int8") out.values[0]! += 1
  },
})

/** Opens a matrix and an expert of each format. */
function openSlabs(backend: Backend): void {
  const expert = { hiddenSize: 4, intermediateSize: 4, activation: "silu", hasGateProj: true, hasBias: false } as const
  for (const format of ["f32", "int8", "int4"] as const) {
    for (const layout of [
      planMatrixSlab({ format, numRows: 4, numColumns: 4, hasBias: false }),
      planExpertSlab({ format, ...expert }),
    ])
      backend.openSlab(arena.allocate(layout.bytes), layout)
  }
}

test("chooseX64: the best instruction set that passes, with nothing else opened", async () => {
  const source = createSource({})
  const { backend, reason, isSecondBest } = await chooseX64(arena, reference, [BEST, OTHER], source)
  expect([backend.name, reason, source.events]).toEqual(["x64", "x64 (avx512): passed its self-test", ["open avx512"]])
  expect(isSecondBest).toBe(false)
})

test("chooseX64: the next instruction set where the best one is wrong, and a line that says so", async () => {
  const source = createSource({ avx512: wrongNorm })
  const { backend, reason, isSecondBest } = await chooseX64(arena, reference, [BEST, OTHER], source)
  expect(isSecondBest).toBe(true)
  expect(source.events).toEqual(["open avx512", "close avx512", "open avx2"])
  expect(reason).toMatch(
    /^x64 \(avx2\): passed its self-test; avx512 failed \(norm: largest error NaN, bound [0-9.]+\)$/,
  )
  backend.close()
  expect(source.events.at(-1)).toBe("close avx2")
})

test("chooseX64: where all are wrong, onnx does what failed, and the best one the rest", async () => {
  const source = createSource({ avx512: wrongInt8(), avx2: wrongNorm })
  const { backend, reason, isSecondBest } = await chooseX64(arena, reference, [BEST, OTHER], source)
  expect(isSecondBest).toBe(true)
  expect(source.events).toEqual(["open avx512", "close avx512", "open avx2", "close avx2", "open onnx", "open avx512"])
  expect(reason).toMatch(
    /^x64 \(avx512\) without matmul int8, for which onnx stands in: matmul int8 1 × 64 → 64: largest error (?:1|0\.9999)[^\n]*$/,
  )
  backend.close()
  expect(source.events.slice(-2).toSorted()).toEqual(["close avx512", "close onnx"])
})

test("chooseX64: a slab goes to who is right about it", async () => {
  const opened: string[] = []
  const note = (name: string): Partial<Backend> => ({
    openSlab(span, layout) {
      opened.push(`${layout.kind} ${layout.format}: ${name}`)
      return reference.openSlab(span, layout)
    },
  })
  const source = createSource({ avx512: { ...wrongInt8(), ...note("x64") }, onnx: note("onnx") })
  const { backend } = await chooseX64(arena, reference, [BEST], source)
  opened.length = 0
  openSlabs(backend)
  expect(opened).toEqual([
    "matrix f32: x64",
    "expert f32: x64",
    "matrix int8: onnx",
    "expert int8: x64",
    "matrix int4: x64",
    "expert int4: x64",
  ])
})

test("chooseX64: the reference stands in where onnx cannot run", async () => {
  const source = {
    ...createSource({ avx512: wrongNorm }),
    openOnnx: () => Promise.reject(new Error("no such library")),
  }
  const { backend, reason } = await chooseX64(arena, reference, [BEST], source)
  expect(reason).toContain("x64 (avx512) without norm f32, for which reference stands in: norm: largest error NaN")
  const rows = arena.rows(1, 2)
  backend.norm(rows, rows, 1, Float32Array.of(1, 1), 1)
  expect(rows.values.every(Number.isFinite)).toBe(true)
})
