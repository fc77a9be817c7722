import { afterAll, expect, test } from "bun:test"
import type { Backend } from "./Backend.ts"
import { checkBackend } from "./backendCases.ts"
import { createArena } from "./createArena.ts"
import { createReferenceBackend } from "./createReferenceBackend.ts"

const arena = createArena()
const reference = createReferenceBackend(arena)
afterAll(() => arena.close())

const failuresOf = (broken: Partial<Backend>): string[] => checkBackend({ ...reference, ...broken }, reference)

test("checkBackend: the reference passes, and so does a backend that supports nothing", () => {
  expect(failuresOf({})).toEqual([])
  expect(failuresOf({ supports: () => false })).toEqual([])
})

test("checkBackend: a wrong value, a NaN and a stray write are each found, and named", () => {
  const wrong = failuresOf({
    matmul(out, x, numRows, slab) {
      reference.matmul(out, x, numRows, slab)
      if (slab.layout.format === "int8" && numRows > 1) out.values[1]! += 1
    },
  })
  expect(wrong.length).toBe(3)
  expect(wrong[0]).toMatch(/^matmul int8 5 × 130 → 70 with bias: largest error (1|0\.99999)/)

  const notANumber = failuresOf({ norm: (out) => void out.values.fill(Number.NaN) })
  expect(notANumber.map((line) => line.split(":")[0])).toEqual(["norm", "norm in place"])

  const stray = failuresOf({
    expert(out, x, firstRow, numRows, slab) {
      reference.expert(out, x, firstRow, numRows + 1, slab)
    },
  })
  expect(stray.length).toBeGreaterThan(6)
})

test("checkBackend: a cache that attend leaves wrong is found, though its output is right", () => {
  const failures = failuresOf({
    attend(out, qkv, slots, layer) {
      reference.attend(out, qkv, slots, layer)
      for (const { values, pastLength } of slots) if (pastLength === 7 && "values" in values) values.values[0] = 9
    },
  })
  expect(failures.length).toBeGreaterThan(0)
})

test("checkBackend: a throw is a failure in the backend's own words, and nothing stays allocated", () => {
  const failures = failuresOf({
    embed() {
      throw new Error("no such instruction")
    },
    attend() {
      throw new Error("no such instruction")
    },
  })
  expect(failures).toContain("embed int8: no such instruction")
  expect(failures.length).toBe(10)
  expect(arena.usedBytes).toBe(0)
})
