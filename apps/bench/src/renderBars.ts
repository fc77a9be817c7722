import { type Measurement, type Unit, UNITS, readable, summarise } from "@consilium/benchmarks"
import { ratiosOf } from "./markdownTable.ts"
import { colourOf, drawing, path, rect, text } from "./svg.ts"

const WIDTH = 860
const LEFT = 230
const RIGHT = 250
const BAR = 16
const ROW = 22
const GROUP_GAP = 14

/**
 * Draws measurements as horizontal bars with p10–p90 whiskers: a panel for each unit, a group for each name, a bar for each contender.
 *
 * Where names have several contenders, each group has its own scale, for its bars answer one question; else all bars of a panel share one.
 */
export function renderBars(title: string, measurements: readonly Measurement[]): string {
  const units = [...new Set(measurements.map(({ unit }) => unit))]
  const contenders = [...new Set(measurements.map(({ contender = "" }) => contender))]
  const shapes: string[] = [text(0, 18, title, { kind: "title" })]
  let y = 34
  for (const unit of units) {
    const ofUnit = measurements.filter((measurement) => measurement.unit === unit)
    const panel = renderPanel(y, unit, ofUnit, { all: measurements, contenders })
    shapes.push(...panel.shapes)
    y = panel.bottom + 10
  }
  return drawing(WIDTH, y, title, shapes)
}

interface BarContext {
  readonly all: readonly Measurement[]
  readonly contenders: readonly string[]
}

function renderPanel(
  top: number,
  unit: Unit,
  measurements: readonly Measurement[],
  context: BarContext,
): { shapes: string[]; bottom: number } {
  const groups = Object.entries(Object.groupBy(measurements, ({ name }) => name)) as [string, Measurement[]][]
  const isCompared = groups.some(([, bars]) => bars.length > 1)
  const longest = (bars: readonly Measurement[]): number =>
    Math.max(...bars.map(({ samples }) => summarise(samples).p90)) || 1
  const shapes = [text(LEFT, top + 10, `${unit}, median (${UNITS[unit]} is better); whiskers p10–p90`)]
  let y = top + 20
  for (const [name, bars] of groups) {
    const perPixel = longest(isCompared ? bars : measurements) / (WIDTH - LEFT - RIGHT)
    if (isCompared) {
      shapes.push(text(0, y + 12, name, { kind: "title" }))
      y += ROW
    }
    for (const bar of bars) {
      shapes.push(...renderBar(y, isCompared ? (bar.contender ?? "") : name, bar, perPixel, context))
      y += ROW
    }
    y += isCompared ? GROUP_GAP : 0
  }
  return { shapes, bottom: y }
}

function renderBar(
  y: number,
  label: string,
  bar: Measurement,
  perPixel: number,
  { all, contenders }: BarContext,
): string[] {
  const { median, p10, p90 } = summarise(bar.samples)
  const middle = y + BAR / 2
  const [low, high] = [LEFT + p10 / perPixel, LEFT + p90 / perPixel]
  const ratios = ratiosOf(bar, all).map(({ ratio, contender }) => `${readable(ratio)}× ${contender}`)
  const value = [`${readable(median)} ${bar.unit}`, ...ratios].join(" · ")
  return [
    text(LEFT - 8, y + 12, label, { anchor: "end" }),
    rect(LEFT, y, median / perPixel, BAR, colourOf(contenders.indexOf(bar.contender ?? ""))),
    ...(bar.samples.length > 1 ? whisker(low, high, middle) : []),
    text(Math.max(LEFT + median / perPixel, high) + 6, y + 12, value, { kind: "value" }),
  ]
}

function whisker(low: number, high: number, middle: number): string[] {
  const style = { colour: "whisker", width: 1.25 }
  const end = (x: number): string =>
    path(
      [
        [x, middle - 4],
        [x, middle + 4],
      ],
      style,
    )
  return [
    path(
      [
        [low, middle],
        [high, middle],
      ],
      style,
    ),
    end(low),
    end(high),
  ]
}
