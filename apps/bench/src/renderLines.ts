import { type Measurement, readable, summarise } from "@consilium/benchmarks"
import { circle, colourOf, drawing, path, text } from "@consilium/benchmarks/svg"

const WIDTH = 860
const HEIGHT = 300
const LEFT = 56
const RIGHT = 210
const LINE_HEIGHT = 14

interface Panel {
  /** Pixels of a value on each axis; both are logarithmic. */
  readonly x: (at: number) => number
  readonly y: (value: number) => number
  readonly top: number
}

/**
 * Draws measurements as lines over `at`, on logarithmic axes: a panel for each name and unit, a line for each contender, p10–p90 as whiskers.
 *
 * Measurements without a place are limits: a dashed line in every panel of their unit.
 */
export function renderLines(title: string, axis: string, measurements: readonly Measurement[]): string {
  const placed = measurements.filter(({ at }) => at !== undefined)
  const limits = measurements.filter(({ at }) => at === undefined)
  const contenders = [...new Set(placed.map(({ contender = "" }) => contender))]
  const panels = Object.entries(Object.groupBy(placed, ({ name, unit }) => `${name}: ${unit}, median over ${axis}`))
  const shapes = panels.flatMap(([name, lines], i) =>
    renderPanel(34 + i * (HEIGHT + 64), name, lines!, { limits, contenders }),
  )
  return drawing(WIDTH, 34 + panels.length * (HEIGHT + 64), title, [text(0, 18, title, { kind: "title" }), ...shapes])
}

interface LineContext {
  readonly limits: readonly Measurement[]
  readonly contenders: readonly string[]
}

function renderPanel(
  top: number,
  name: string,
  points: readonly Measurement[],
  { limits, contenders }: LineContext,
): string[] {
  const ofUnit = limits.filter(({ unit }) => unit === points[0]!.unit)
  const places = [...new Set(points.map(({ at }) => at!))].sort((a, b) => a - b)
  const values = [...points, ...ofUnit].flatMap(({ samples }) => {
    const { p10, p90 } = summarise(samples)
    return [p10, p90].filter((value) => value > 0)
  })
  const panel: Panel = {
    x: scale(places[0]!, places.at(-1)!, LEFT, WIDTH - RIGHT),
    y: scale(Math.min(...values) / 1.2, Math.max(...values) * 1.2, top + 20 + HEIGHT, top + 20),
    top: top + 20,
  }
  const labels: EndLabel[] = []
  const lines = Object.entries(Object.groupBy(points, ({ contender = "" }) => contender)).flatMap(
    ([contender, line]) => {
      const sorted = line!.toSorted((a, b) => a.at! - b.at!)
      const colour = colourOf(contenders.indexOf(contender))
      labels.push({ y: panel.y(summarise(sorted.at(-1)!.samples).median), label: contender, colour })
      return renderLine(panel, sorted, colour, dashOf(contenders.indexOf(contender)))
    },
  )
  const limitLines = ofUnit.flatMap((limit) => {
    const y = panel.y(summarise(limit.samples).median)
    labels.push({ y, label: `${limit.contender} (limit)`, colour: undefined })
    return [
      path(
        [
          [LEFT, y],
          [WIDTH - RIGHT, y],
        ],
        { colour: "whisker", dash: "6 4" },
      ),
    ]
  })
  const axes = renderAxes(panel, places, [Math.min(...values) / 1.2, Math.max(...values) * 1.2])
  return [text(LEFT, top + 8, name), ...axes, ...limitLines, ...lines, ...spreadLabels(labels)]
}

/** A logarithmic scale; a single place stands in the middle. */
function scale(low: number, high: number, from: number, to: number): (value: number) => number {
  if (low === high) return () => (from + to) / 2
  return (value) => from + (Math.log(Math.max(value, low) / low) / Math.log(high / low)) * (to - from)
}

/** Past the palette, lines are dashed. */
function dashOf(index: number): string | undefined {
  return index < 7 ? undefined : "2 3"
}

function renderLine(
  { x, y }: Panel,
  points: readonly Measurement[],
  colour: string,
  dash: string | undefined,
): string[] {
  const medians = points.map(({ at, samples }) => [x(at!), y(summarise(samples).median)] as const)
  const whiskers = points.map(({ at, samples }) => {
    const { p10, p90 } = summarise(samples)
    return path(
      [
        [x(at!), y(p10)],
        [x(at!), y(p90)],
      ],
      { colour, width: 1.25 },
    )
  })
  const line = path(medians, { colour, width: 2, ...(dash !== undefined && { dash }) })
  return [line, ...whiskers, ...medians.map(([cx, cy]) => circle(cx, cy, 3, colour))]
}

function renderAxes({ x, y, top }: Panel, places: readonly number[], range: readonly [number, number]): string[] {
  const bottom = top + HEIGHT
  return [
    ...places.map((at) => text(x(at), bottom + 18, String(at), { anchor: "middle", kind: "value" })),
    ...ticks(...range).flatMap((value) => [
      path(
        [
          [LEFT, y(value)],
          [WIDTH - RIGHT, y(value)],
        ],
        { colour: "axis" },
      ),
      text(LEFT - 6, y(value) + 4, readableTick(value), { anchor: "end", kind: "value" }),
    ]),
  ]
}

/** Ones, twos and fives of every power of ten within a range. */
function ticks(low: number, high: number): number[] {
  const first = Math.floor(Math.log10(low))
  const last = Math.ceil(Math.log10(high))
  return Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i))
    .flatMap((power) => [power, 2 * power, 5 * power])
    .filter((value) => value >= low && value <= high)
}

function readableTick(value: number): string {
  return value >= 1 ? Math.round(value).toLocaleString("en-US") : readable(value).replace(/0+$/, "")
}

interface EndLabel {
  readonly y: number
  readonly label: string
  readonly colour: string | undefined
}

/** Writes labels at their lines' ends, from the top, each at least a line below the one before. */
function spreadLabels(labels: readonly EndLabel[]): string[] {
  let last = Number.NEGATIVE_INFINITY
  return labels
    .toSorted((a, b) => a.y - b.y)
    .map(({ y, label, colour }) => {
      last = Math.max(y + 4, last + LINE_HEIGHT)
      return text(WIDTH - RIGHT + 10, last, label, colour === undefined ? {} : { colour })
    })
}
