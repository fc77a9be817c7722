import type { Measurement } from "@consilium/benchmarks"
import { expect, test } from "bun:test"
import { alignedTable, markdownTable, ratiosOf } from "./markdownTable.ts"

const slow: Measurement = { name: "64 tokens", contender: "plain loop", unit: "ms", samples: [40] }
const fast: Measurement = {
  ...slow,
  contender: "onnx f32",
  samples: [10, 8, 12],
  comparedWith: [{ contender: "plain loop" }, { contender: "not finished" }],
}

test("markdownTable: shows medians, spread, ratios, and when there was one sample only", () => {
  expect(markdownTable([slow, fast])).toBe(
    [
      "|           | who        | median      | p10–p90    | times better     | samples |",
      "| --------- | ---------- | ----------- | ---------- | ---------------- | ------- |",
      "| 64 tokens | plain loop | **40.0 ms** | one sample |                  | 1       |",
      "| 64 tokens | onnx f32   | **10.0 ms** | 8.40–11.6  | 4.00× plain loop | 3       |",
    ].join("\n"),
  )
})

test("markdownTable: shows the tail, the place and the note, and no empty columns", () => {
  const latency: Measurement = { name: "wait", unit: "ms", samples: [1, 2], at: 1, note: "loopback" }
  expect(markdownTable([latency], { axis: "rows", showsTail: true })).toBe(
    [
      "|                        | median      | p10–p90   | p99  | samples |",
      "| ---------------------- | ----------- | --------- | ---- | ------- |",
      "| wait, 1 row (loopback) | **1.50 ms** | 1.10–1.90 | 1.99 | 2       |",
    ].join("\n"),
  )
})

test("ratiosOf: a ratio above one is better, for rates and for times", () => {
  const rate = { name: "decode", unit: "tok/s", contender: "peer", samples: [10] } as const
  const ours = { ...rate, contender: "consilium", samples: [30], comparedWith: [{ contender: "peer" }] }
  expect(ratiosOf(ours, [rate, ours])).toEqual([{ ratio: 3, contender: "peer" }])
  expect(ratiosOf(fast, [slow, fast])).toEqual([{ ratio: 4, contender: "plain loop" }])
})

test("ratiosOf: compares within the same name, place and unit, or with the one that is named", () => {
  const limit = { name: "machine", contender: "read", unit: "GB/s", samples: [30] } as const
  const at = (rows: number, contender: string, gbPerSec: number): Measurement => ({
    name: "expert",
    contender,
    unit: "GB/s",
    at: rows,
    samples: [gbPerSec],
    comparedWith: [{ contender: "base" }, { name: "machine", contender: "read" }],
  })
  const all = [limit, at(1, "base", 5), at(8, "base", 3), at(8, "x64", 15)]
  expect(ratiosOf(all[3]!, all).map(({ ratio }) => ratio)).toEqual([5, 0.5])
})

test("alignedTable: a bar in a cell does not end it", () => {
  expect(alignedTable([["a|b"], ["c"]])).toBe("| a\\|b |\n| ---- |\n| c    |")
})
