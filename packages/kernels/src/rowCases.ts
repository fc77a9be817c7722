import { noise } from "@consilium/tensor"
import type { Backend } from "./Backend.ts"
import { type BackendCase, type CaseRows, withCaseRows } from "./BackendCase.ts"

const WIDTH = 37

/** Cases of `norm` and `addScaled`: in place and not, with factors and without, and rows past the last that stay as they were. */
export const ROW_CASES: readonly BackendCase[] = [
  rowCase("norm", "norm", (backend, { take, takeNoise }) => {
    const out = take(4, WIDTH)
    backend.norm(out, takeNoise(4, WIDTH, 1), 3, noise(WIDTH, 2, 1), 1e-5)
    return out.values.slice()
  }),
  rowCase("norm", "norm in place", (backend, { takeNoise }) => {
    const rows = takeNoise(4, WIDTH, 1)
    backend.norm(rows, rows, 3, noise(WIDTH, 2, 1), 1e-5)
    return rows.values.slice()
  }),
  rowCase("addScaled", "addScaled with factors", (backend, { takeNoise }) => {
    const out = takeNoise(4, WIDTH, 3)
    backend.addScaled(out, takeNoise(4, WIDTH, 4), 3, Float32Array.of(0.5, 0, -2))
    return out.values.slice()
  }),
  rowCase("addScaled", "addScaled without factors", (backend, { takeNoise }) => {
    const out = takeNoise(4, WIDTH, 3)
    backend.addScaled(out, takeNoise(4, WIDTH, 4), 3)
    return out.values.slice()
  }),
]

function rowCase(
  op: "norm" | "addScaled",
  name: string,
  body: (backend: Backend, rows: CaseRows) => Float32Array,
): BackendCase {
  return {
    name,
    op,
    format: "f32",
    bound: 1e-5,
    run: (backend) =>
      backend.supports(op, "f32") ? withCaseRows(backend.arena, (rows) => body(backend, rows)) : undefined,
  }
}
