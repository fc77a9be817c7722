import type { Backend } from "./Backend.ts"
import { type BackendCase, type CaseRows, withCaseRows } from "./BackendCase.ts"

/** Cases of `shortlist` and `copyRows`: values that tie, a row longer than a workgroup's memory, rows that stay as they were. */
export const LIST_CASES: readonly BackendCase[] = [
  shortlistCase("a whole row", 2, 12, 12),
  shortlistCase("values that tie", 3, 500, 256),
  shortlistCase("a long row", 1, 5000, 40),
  {
    name: "copyRows",
    ...plain("copyRows"),
    run: ifSupported("copyRows", (backend, { take, takeNoise }) => {
      const [to, from] = [take(5, 6), takeNoise(4, 6, 1)]
      if (backend.name === "reference") to.values.set(from.values.subarray(6, 18), 12)
      else backend.copyRows!(to, 2, from, 1, 2)
      return to.values.slice()
    }),
  },
]

/** Noise in few steps, so that values tie, and infinities among them. */
function shortlistCase(name: string, numRows: number, width: number, length: number): BackendCase {
  return {
    name: `shortlist: ${name}, ${length} of ${width}`,
    ...plain("shortlist"),
    run: ifSupported("shortlist", (backend, { take, takeNoise }) => {
      const [out, logits] = [take(numRows + 1, 2 * length), takeNoise(numRows + 1, width, 5)]
      for (const [i, value] of logits.values.entries()) logits.values[i] = Math.round(value * 1000) / 50
      logits.values[3] = Number.NEGATIVE_INFINITY
      if (backend.name !== "reference") backend.shortlist!(out, logits, numRows)
      else for (let t = 0; t < numRows; t++) listLargest(out.values, t, length, logits.values, width)
      // An infinity is within no bound of itself.
      return out.values.map((value) => Math.max(value, -1000))
    }),
  }
}

function listLargest(out: Float32Array, t: number, length: number, logits: Float32Array, width: number): void {
  const row = logits.subarray(t * width, (t + 1) * width)
  const ids = Array.from(row, (_, i) => i).sort((a, b) => row[b]! - row[a]! || a - b)
  for (let i = 0; i < length; i++) {
    out[t * 2 * length + i] = row[ids[i]!]!
    out[(t * 2 + 1) * length + i] = ids[i]!
  }
}

function plain<Op extends "copyRows" | "shortlist">(op: Op): { op: Op; format: "f32"; bound: number } {
  return { op, format: "f32", bound: 0 }
}

/** The reference has no such operations: a case computes what is expected by itself. */
function ifSupported(
  op: "copyRows" | "shortlist",
  body: (backend: Backend, rows: CaseRows) => Float32Array,
): BackendCase["run"] {
  return (backend) =>
    backend.name === "reference" || backend.supports(op, "f32")
      ? withCaseRows(backend.arena, (rows) => body(backend, rows))
      : undefined
}
