import { type Measurement, type Unit, UNITS, readable, summarise } from "@consilium/benchmarks"
import { ratiosOf } from "./markdownTable.ts"
import { CHARACTER_WIDTH, colourOf, drawing, path, rect, text } from "@consilium/benchmarks/svg"

/** Of the longest bar. */
const LONGEST = 380
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
  const panels = units.map((unit) => layOut(measurements.filter((measurement) => measurement.unit === unit)))
  const labels = panels.flatMap(({ groups }) => groups.flatMap(({ bars }) => bars.map(({ label }) => label)))
  const context: BarContext = {
    all: measurements,
    contenders: [...new Set(measurements.map(({ contender = "" }) => contender))],
    left: widest(labels) + 10,
  }
  const shapes: string[] = [text(0, 18, title, { kind: "title" })]
  let y = 34
  for (const panel of panels) {
    const drawn = renderPanel(y, panel, context)
    shapes.push(...drawn.shapes)
    y = drawn.bottom + 10
  }
  const values = measurements.map((measurement) => describeValue(measurement, measurements))
  const width = Math.max(context.left + LONGEST + widest(values) + 12, 1.3 * widest([title]))
  return drawing(Math.ceil(width), y, title, shapes)
}

interface BarContext {
  readonly all: readonly Measurement[]
  readonly contenders: readonly string[]
  /** Where bars begin. */
  readonly left: number
}

interface Group {
  /** Above its bars; undefined where their labels say it. */
  readonly title: string | undefined
  readonly bars: readonly { readonly label: string; readonly measurement: Measurement }[]
  /** The value of the longest bar. */
  readonly longest: number
}

interface Panel {
  readonly unit: Unit
  readonly groups: readonly Group[]
}

/** Groups the measurements of one unit. */
function layOut(measurements: readonly Measurement[]): Panel {
  const { unit } = measurements[0]!
  const byName = Object.entries(Object.groupBy(measurements, ({ name }) => name)) as [string, Measurement[]][]
  const longest = (bars: readonly Measurement[]): number =>
    Math.max(...bars.map(({ samples }) => summarise(samples).p90)) || 1
  if (byName.every(([, bars]) => bars.length === 1)) {
    const bars = measurements.map((measurement) => ({ label: measurement.name, measurement }))
    return { unit, groups: [{ title: undefined, bars, longest: longest(measurements) }] }
  }
  const groups = byName.map(([title, bars]) => ({
    title,
    bars: bars.map((measurement) => ({ label: measurement.contender ?? "", measurement })),
    longest: longest(bars),
  }))
  return { unit, groups }
}

function renderPanel(
  top: number,
  { unit, groups }: Panel,
  context: BarContext,
): { readonly shapes: readonly string[]; readonly bottom: number } {
  const shapes = [text(context.left, top + 10, `${unit}, median (${UNITS[unit]} is better); whiskers p10–p90`)]
  let y = top + 20
  for (const { title, bars, longest } of groups) {
    if (title !== undefined) {
      shapes.push(text(0, y + 12, title, { kind: "title" }))
      y += ROW
    }
    for (const { label, measurement } of bars) {
      shapes.push(...renderBar(y, label, measurement, longest / LONGEST, context))
      y += ROW
    }
    if (title !== undefined) y += GROUP_GAP
  }
  return { shapes, bottom: y }
}

function renderBar(
  y: number,
  label: string,
  measurement: Measurement,
  perPixel: number,
  { all, contenders, left }: BarContext,
): string[] {
  const { contender = "", samples } = measurement
  const { median, p10, p90 } = summarise(samples)
  const [low, high] = [left + p10 / perPixel, left + p90 / perPixel]
  return [
    text(left - 8, y + 12, label, { anchor: "end" }),
    rect(left, y, median / perPixel, BAR, colourOf(contenders.indexOf(contender))),
    ...(samples.length > 1 ? whisker(low, high, y + BAR / 2) : []),
    text(high + 6, y + 12, describeValue(measurement, all), { kind: "value" }),
  ]
}

function describeValue(measurement: Measurement, all: readonly Measurement[]): string {
  const ratios = ratiosOf(measurement, all).map(({ ratio, contender }) => `${readable(ratio)}× ${contender}`)
  return [`${readable(summarise(measurement.samples).median)} ${measurement.unit}`, ...ratios].join(" · ")
}

function widest(labels: readonly string[]): number {
  return Math.ceil(CHARACTER_WIDTH * Math.max(...labels.map((label) => label.length)))
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
