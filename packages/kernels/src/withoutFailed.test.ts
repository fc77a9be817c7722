import { afterAll, expect, test } from "bun:test"
import type { Op } from "./Backend.ts"
import { BACKEND_CASES } from "./backendCases.ts"
import { createArena } from "./createArena.ts"
import { createReferenceBackend } from "./createReferenceBackend.ts"
import type { Format } from "./SlabLayout.ts"
import { withoutFailed } from "./withoutFailed.ts"

const OPS: readonly Op[] = ["embed", "matmul", "expert", "experts", "attend", "norm", "addScaled"]
const FORMATS: readonly Format[] = ["f32", "int8", "int4"]

const arena = createArena()
afterAll(() => arena.close())
const whole = { ...createReferenceBackend(arena), supports: (op: Op) => op !== "embed" }

/** What a backend whose first case of each of these failed supports no longer, besides what it never did. */
function refusedAfter(...failed: readonly [Op, Format][]): string[] {
  const items = failed.map(([op, format]) => BACKEND_CASES.find((item) => item.op === op && item.format === format)!)
  const rest = withoutFailed(whole, items)
  return FORMATS.flatMap((format) =>
    OPS.filter((op) => whole.supports(op) && !rest.supports(op, format)).map((op) => `${op} ${format}`),
  )
}

test("withoutFailed: what failed is no longer supported, in that format; one wrong expert makes all at once wrong", () => {
  expect(refusedAfter()).toEqual([])
  expect(refusedAfter(["matmul", "int8"], ["matmul", "int8"], ["norm", "f32"])).toEqual(["norm f32", "matmul int8"])
  expect(refusedAfter(["expert", "int4"])).toEqual(["expert int4", "experts int4"])
  expect(refusedAfter(["experts", "int4"])).toEqual(["experts int4"])
})

test("withoutFailed: what was never supported is not now, and all else is the backend as it was", () => {
  const rest = withoutFailed(whole, [])
  expect(rest.supports("embed", "f32")).toBe(false)
  expect({ ...rest, supports: undefined }).toEqual({ ...whole, supports: undefined })
})
