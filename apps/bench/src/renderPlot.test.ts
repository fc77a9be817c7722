import type { Measurement } from "@consilium/benchmarks"
import { expect, test } from "bun:test"
import { renderBars } from "./renderBars.ts"
import { renderLines } from "./renderLines.ts"
import { drawing } from "@consilium/benchmarks/svg"

/** Returns a document's element names in order, and fails on what no XML parser takes. */
function elementsOf(svg: string): string[] {
  const open: string[] = []
  const names: string[] = []
  const TAG = /<(\/?)([a-z]+)((?:\s+[\w-]+(?::\w+)?="[^"<&]*(?:&(?:amp|lt|gt|quot);[^"<&]*)*")*)\s*(\/?)>/g
  const between = svg.replaceAll(TAG, "")
  expect(between).not.toMatch(/[<>]|&(?!(?:amp|lt|gt|quot);)/)
  for (const [, closes, name, , isEmpty] of svg.matchAll(TAG)) {
    if (closes) expect(open.pop()).toBe(name!)
    else names.push(name!)
    if (!closes && !isEmpty) open.push(name!)
  }
  expect(open).toEqual([])
  return names
}

const countOf = (svg: string, name: string): number => elementsOf(svg).filter((element) => element === name).length

const bars: readonly Measurement[] = [
  { name: "64 tokens <&\"'", contender: "plain", unit: "ms", samples: [40, 41, 60] },
  {
    name: "64 tokens <&\"'",
    contender: "x64",
    unit: "ms",
    samples: [4, 5, 6],
    comparedWith: [{ contender: "plain" }],
  },
  { name: "memory", unit: "MiB", samples: [12] },
]

test("renderBars: is well-formed, with a bar for each measurement and its ratio beside it", () => {
  const svg = renderBars("bars & more", bars)
  expect(countOf(svg, "rect")).toBe(bars.length)
  expect(svg).toContain("8.20× plain")
  expect(svg).toContain("64 tokens &lt;&amp;&quot;'")
})

test("renderBars: a bar of half the value is half as long, and one sample has no whisker", () => {
  const widths = (measurements: readonly Measurement[]): number[] =>
    [...renderBars("t", measurements).matchAll(/<rect [^>]*width="([\d.]+)"/g)].map(([, width]) => Number(width))
  const of = (name: string, value: number): Measurement => ({ name, unit: "tok/s", samples: [value] })
  const [long, short] = widths([of("a", 100), of("b", 50)])
  expect(short! / long!).toBeCloseTo(0.5, 3)
  expect(renderBars("t", [of("a", 1)])).not.toContain('class="whisker" stroke-width')
})

test("renderBars: no label or value leaves the drawing, however long", () => {
  const name = "a very long name of something that was measured, and then some"
  const contender = "somebody whose name is long too"
  const measurements: Measurement[] = [
    { name, contender, unit: "ms", samples: [5] },
    { name, contender: "us", unit: "ms", samples: [1, 9], comparedWith: [{ contender }] },
  ]
  const svg = renderBars("t", measurements)
  const width = Number(/width="(\d+)" height/.exec(svg)![1])
  for (const [, x, anchor, content] of svg.matchAll(/<text x="([\d.]+)"[^>]*text-anchor="(\w+)"[^>]*>([^<]*)/g)) {
    const length = 6.5 * content!.length
    expect(Number(x) + (anchor === "end" ? 0 : length)).toBeLessThanOrEqual(width)
    expect(Number(x) - (anchor === "end" ? length : 0)).toBeGreaterThanOrEqual(0)
  }
})

test("renderLines: is well-formed, with a panel for each unit, a point for each measurement, a dashed line for a limit", () => {
  const at = (contender: string, rows: number, value: number): Measurement => ({
    name: "expert",
    contender,
    unit: "GOPS",
    at: rows,
    samples: [value, value * 1.1],
  })
  const limit: Measurement = { name: "machine", contender: "int8 peak", unit: "GOPS", samples: [2000] }
  const svg = renderLines("lines", "rows", [limit, at("x64", 1, 30), at("x64", 512, 900), at("onnx", 1, 20)])
  expect(countOf(svg, "circle")).toBe(3)
  expect(svg).toContain("int8 peak (limit)")
  expect(svg.match(/stroke-dasharray="6 4"/g)).toHaveLength(1)
})

test("renderLines: a higher value stands higher", () => {
  const at = (rows: number, value: number): Measurement => ({
    name: "n",
    contender: "c",
    unit: "GOPS",
    at: rows,
    samples: [value],
  })
  const svg = renderLines("t", "rows", [at(1, 10), at(2, 100)])
  const [low, high] = [...svg.matchAll(/<circle [^>]*cy="([\d.]+)"/g)].map(([, y]) => Number(y))
  expect(high!).toBeLessThan(low!)
})

test("drawing: is legible on white and on black", () => {
  const svg = drawing(10, 10, "t", [])
  expect(svg).toContain("prefers-color-scheme:dark")
  expect(elementsOf(svg)).toEqual(["svg", "title", "style"])
})
