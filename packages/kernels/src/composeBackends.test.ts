import { afterEach, beforeEach, expect, test } from "bun:test"
import type { Arena } from "./Arena.ts"
import { type Backend, type Op, PLAIN_OPS } from "./Backend.ts"
import { BACKEND_CASES, checkBackend } from "./backendCases.ts"
import { composeBackends } from "./composeBackends.ts"
import { createArena } from "./createArena.ts"
import { createReferenceBackend } from "./createReferenceBackend.ts"
import { combineOneByOne, EXPERTS_CASES, runOneByOne } from "./expertsCases.ts"
import { type Format, planExpertSlab, planMatrixSlab } from "./SlabLayout.ts"

let arena: Arena
beforeEach(() => {
  arena = createArena()
})
afterEach(() => arena.close())

/** A reference under another name that supports some things, and notes what it was asked. */
function partial(supports: (op: Op, format: Format) => boolean): Backend & { readonly asked: string[] } {
  const inner = createReferenceBackend(arena)
  const asked: string[] = []
  const note =
    <A extends unknown[]>(op: Op, run: (...args: A) => void) =>
    (...args: A): void => {
      asked.push(op)
      run(...args)
    }
  return {
    ...inner,
    asked,
    name: "onnx",
    supports,
    embed: note("embed", inner.embed),
    matmul: note("matmul", inner.matmul),
    expert: note("expert", inner.expert),
    experts: note("experts", (outputs, x, plan, slabs) => runOneByOne(inner, outputs, x, plan, slabs)),
    combine: combineOneByOne,
    attend: note("attend", inner.attend),
    norm: note("norm", inner.norm),
    addScaled: note("addScaled", inner.addScaled),
    close: () => void asked.push("close"),
  }
}

test("composeBackends: together they pass every case, each doing what it supports", () => {
  const first = partial((op, format) => (op.startsWith("expert") && format === "int4") || op === "norm")
  const isCommon = (op: Op): boolean => PLAIN_OPS.has(op) || op === "experts"
  const rest = partial(isCommon)
  const both = composeBackends(arena, [first, rest])
  expect(checkBackend(both, createReferenceBackend(arena))).toEqual([])
  expect(new Set(first.asked)).toEqual(new Set<string>(["expert", "experts", "norm"]))
  expect(new Set(rest.asked)).toEqual(new Set<string>(["embed", "matmul", "expert", "experts", "attend", "addScaled"]))
  for (const { name, op, run } of BACKEND_CASES) expect(run(both) !== undefined, name).toBe(isCommon(op))
  expect(arena.usedBytes).toBe(0)
})

test("composeBackends: of steps, and of what only some have, it supports nothing", () => {
  const both = composeBackends(arena, [partial(() => true), createReferenceBackend(arena)])
  for (const op of ["routedExperts", "copyRows", "shortlist"] as const) expect(both.supports(op, "f32")).toBe(false)
  expect([both.beginStep, both.routedExperts, both.copyRows, both.shortlist]).toEqual(Array.from({ length: 4 }))
})

test("composeBackends: a matrix goes to no backend that cannot embed it", () => {
  const first = partial((op) => op !== "embed")
  const second = createReferenceBackend(arena)
  const both = composeBackends(arena, [first, second])
  const matrix = planMatrixSlab({ format: "int8", numRows: 4, numColumns: 4, hasBias: false })
  const shape = {
    format: "int8",
    hiddenSize: 4,
    intermediateSize: 4,
    activation: "silu",
    hasGateProj: true,
    hasBias: false,
  } as const
  const expert = planExpertSlab(shape)
  const slabs = [matrix, expert].map((layout) => both.openSlab(arena.allocate(layout.bytes), layout))
  both.embed(arena.rows(1, 4), Int32Array.of(2), 1, slabs[0]!)
  both.expert(arena.rows(1, 4), arena.rows(1, 4), 0, 1, slabs[1]!)
  expect(first.asked).toEqual(["expert"])
  expect(slabs.map((slab) => both.numBytes(slab))).toEqual([matrix.bytes, expert.bytes])
  both.closeSlab(slabs[0]!)
  expect(() => both.closeSlab(slabs[0]!)).toThrow("is not open")
})

test("composeBackends: all experts at once are for the backend that has each of them", () => {
  const first = partial((op, format) => op === "expert" && format === "int4")
  const both = composeBackends(arena, [first, partial(() => true)])
  expect((["f32", "int8", "int4"] as const).map((format) => both.supports("experts", format))).toEqual([
    true,
    true,
    false,
  ])
  for (const { run, format } of EXPERTS_CASES) expect(run(both) === undefined).toBe(format === "int4")

  const rest = composeBackends(arena, [createReferenceBackend(arena), partial(() => true)])
  expect(rest.supports("experts", "f32")).toBe(false)

  const without = { ...partial(() => true), experts: undefined as unknown as NonNullable<Backend["experts"]> }
  const alone = composeBackends(arena, [without])
  expect(() => EXPERTS_CASES[0]!.run(alone)).toThrow("onnx does not support experts")
  expect(arena.usedBytes).toBe(0)
})

test("composeBackends: all experts go to who opened the first that has rows; those without may be closed, and none is no call", () => {
  const [first, second] = [partial((_op, format) => format === "int4"), partial(() => true)]
  const both = composeBackends(arena, [first, second])
  const sizes = { hiddenSize: 4, intermediateSize: 4, activation: "silu", hasGateProj: true, hasBias: false } as const
  const open = (format: Format) => {
    const layout = planExpertSlab({ format, ...sizes })
    return both.openSlab(arena.allocate(layout.bytes), layout)
  }
  const slabs = [undefined, open("f32"), open("int4")]
  const run = (...offsets: number[]): void => {
    const one = Int32Array.of(0)
    const weights = Float32Array.of(1)
    const plan = { numTokens: 1, topK: 1, order: one, offsets: Int32Array.from(offsets), rows: one, weights }
    both.experts!(arena.rows(1, 4), arena.rows(1, 4), plan, slabs)
  }
  run(0, 0, 0, 1)
  expect([first.asked, second.asked]).toEqual([["experts"], []])
  both.closeSlab(slabs[1]!)
  run(0, 0, 0, 1)
  run(0, 0, 0, 0)
  run(0, 1, 1, 1)
  expect([first.asked, second.asked]).toEqual([["experts", "experts"], []])
})

test("composeBackends: hosts are ended and kernels timed of all that have them; without any there is no combine either", () => {
  const [one, other] = [partial(() => true), partial(() => true)]
  const plain = composeBackends(arena, [one, other])
  expect([plain.endHost!(), plain.kernelMs!()]).toEqual([false, 0])
  const timed = composeBackends(arena, [
    { ...one, endHost: () => false, kernelMs: () => 3 },
    { ...other, endHost: () => true, kernelMs: () => 4 },
    partial(() => true),
  ])
  expect([timed.endHost!(), timed.kernelMs!()]).toEqual([true, 7])
  const without = { ...one, combine: undefined as unknown as NonNullable<Backend["combine"]> }
  const plan = {} as Parameters<NonNullable<Backend["combine"]>>[2]
  const combine = composeBackends(arena, [without]).combine!
  expect(() => combine(arena.rows(1, 4), arena.rows(1, 4), plan)).toThrow("none of onnx supports combine")
})

test("composeBackends: closed, no slab of it is open any more", () => {
  const both = composeBackends(arena, [partial(() => true)])
  const layout = planMatrixSlab({ format: "f32", numRows: 4, numColumns: 4, hasBias: false })
  const slab = both.openSlab(arena.allocate(layout.bytes), layout)
  both.close()
  expect(() => both.numBytes(slab)).toThrow("this slab of reference is not open")
})

test("composeBackends: what nobody supports is an error that names who was asked", () => {
  const one = composeBackends(arena, [partial((op) => op === "matmul")])
  const layout = planMatrixSlab({ format: "f32", numRows: 4, numColumns: 4, hasBias: false })
  expect(() => one.openSlab(arena.allocate(layout.bytes), layout)).toThrow(
    "none of onnx supports matmul and embed on f32",
  )
  expect(() => one.addScaled(arena.rows(1, 1), arena.rows(1, 1), 1)).toThrow("none of onnx supports addScaled")
  expect(one.supports("norm", "f32")).toBe(false)
  expect(() => composeBackends(arena, [])).toThrow("at least one")
  expect(() => composeBackends(arena, [createReferenceBackend(createArena())])).toThrow("another arena")
})

test("composeBackends: close closes them all", () => {
  const backends = [partial(() => true), partial(() => true)]
  composeBackends(arena, backends).close()
  expect(backends.map(({ asked }) => asked)).toEqual([["close"], ["close"]])
})
