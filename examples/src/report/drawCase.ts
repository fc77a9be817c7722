import { CHARACTER_WIDTH, colourOf, drawing, rect, text } from "@consilium/benchmarks/svg"
import type { CaseResult } from "./CaseResult.ts"
import { show } from "./describeCase.ts"
import { type Figure, figuresOf, gainOf } from "./figuresOf.ts"

const LONGEST = 300
const BAR = 14
const ROW = 19
const LEFT = 190
const WIDTH = 720
const FOOTNOTE = [
  "Before, but for the resolved share, is a dense model of random weights and of the fleet's size.",
  "Each pair of bars has its own scale; what a machine costs is assumed.",
]

/** Draws a case's figures: for each a bar before and after, claimed elsewhere and measured here. Each pair has its own scale: only their shapes compare. */
export function drawCase(result: CaseResult): string {
  const title = `${result.title}: before and after`
  const shapes = [text(0, 18, title, { kind: "title" })]
  let y = 40
  for (const figure of figuresOf(result)) {
    shapes.push(
      text(0, y + 10, `${figure.name}, ${figure.isLowerBetter ? "lower" : "higher"} is better`, { kind: "title" }),
    )
    y += ROW + 2
    for (const [label, values] of [
      ["claimed elsewhere", figure.claimed],
      ["measured here", figure.measured],
    ] as const) {
      if (values === undefined) continue
      shapes.push(...drawPair(y, label, values, figure))
      y += 2 * ROW + 6
    }
    y += 10
  }
  for (const line of FOOTNOTE) {
    shapes.push(text(0, y + 6, line))
    y += ROW
  }
  return drawing(WIDTH, y + 16, title, shapes)
}

function drawPair(y: number, label: string, values: readonly [number, number], figure: Figure): readonly string[] {
  const longest = figure.unit === "%" ? 100 : Math.max(...values) || 1
  return values.flatMap((value, i) => {
    const top = y + i * ROW
    const length = (LONGEST * value) / longest
    const gain = i === 1 ? gainOf(figure, values) : ""
    return [
      text(LEFT - 8, top + 11, i === 0 ? `${label}, before` : "after", { anchor: "end" }),
      rect(LEFT, top, length, BAR, colourOf(i === 0 ? 6 : label.startsWith("claimed") ? 1 : 0)),
      text(LEFT + length + CHARACTER_WIDTH, top + 11, [show(value, figure.unit), gain].filter(Boolean).join(" · "), {
        kind: "value",
      }),
    ]
  })
}
