import { afterEach, beforeEach, expect, test } from "bun:test"
import type { Arena } from "./Arena.ts"
import type { Backend, Op } from "./Backend.ts"
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
  const rest = partial(() => true)
  const both = composeBackends(arena, [first, rest])
  expect(checkBackend(both, createReferenceBackend(arena))).toEqual([])
  expect(new Set(first.asked)).toEqual(new Set<string>(["expert", "experts", "norm"]))
  expect(new Set(rest.asked)).toEqual(new Set<string>(["embed", "matmul", "expert", "experts", "attend", "addScaled"]))
  expect(BACKEND_CASES.every(({ run }) => run(both) !== undefined)).toBe(true)
  expect(arena.usedBytes).toBe(0)
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
