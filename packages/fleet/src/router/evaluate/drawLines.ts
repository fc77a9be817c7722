/** One line of a plot, points from left to right, both axes in 0..1. */
export interface PlotLine {
  readonly name: string
  readonly points: readonly (readonly [x: number, y: number])[]
}

export interface LinePlot {
  readonly title: string
  readonly xLabel: string
  readonly yLabel: string
  /** The vertical axis; the horizontal one is 0 to 1. */
  readonly yRange: readonly [low: number, high: number]
  readonly lines: readonly PlotLine[]
}

const WIDTH = 760
const HEIGHT = 460
const [LEFT, RIGHT, TOP, BOTTOM] = [64, 190, 44, 52]
const NUM_TICKS = 5
const LINE_HEIGHT = 16
/** Colours apart for every kind of eye, and from white and black (after Okabe and Ito). */
const PALETTE = ["#1f83c7", "#8a8f98", "#10996f", "#d9660f", "#b86aa5", "#b58900"]

/** Draws lines over parts, in per cent, as SVG that reads on white and on black. */
export function drawLines({ title, xLabel, yLabel, yRange: [low, high], lines }: LinePlot): string {
  const x = (value: number): number => LEFT + value * (WIDTH - LEFT - RIGHT)
  const y = (value: number): number => HEIGHT - BOTTOM - ((value - low) / (high - low)) * (HEIGHT - TOP - BOTTOM)
  const ticks = Array.from({ length: NUM_TICKS + 1 }, (_, i) => i / NUM_TICKS)
  const axes = ticks.flatMap((part) => {
    const value = low + part * (high - low)
    return [
      `<path d="M${x(0)} ${round(y(value))}H${x(1)}" class="axis"/>`,
      text(x(0) - 8, y(value) + 4, percent(value), "end"),
      text(x(part), HEIGHT - BOTTOM + 18, percent(part), "middle"),
    ]
  })
  const drawn = lines.map(({ points }, i) => {
    const d = points.map(([px, py], n) => `${n === 0 ? "M" : "L"}${round(x(px))} ${round(y(py))}`).join("")
    return `<path d="${d}" fill="none" stroke="${PALETTE[i % PALETTE.length]}" stroke-width="2"/>`
  })
  const legend = lines.map(({ name }, i) => {
    const at = TOP + 10 + i * LINE_HEIGHT
    const swatch = `<rect x="${WIDTH - RIGHT + 14}" y="${at - 8}" width="10" height="10" rx="2" fill="${PALETTE[i % PALETTE.length]}"/>`
    return swatch + text(WIDTH - RIGHT + 30, at + 1, name, "start")
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img">`,
    `<title>${escapeXml(title)}</title>`,
    "<style>text{font:12px system-ui,sans-serif;fill:#6e7781}.axis{stroke:#8c959f;stroke-opacity:.4}</style>",
    text(LEFT, 20, title, "start"),
    text(x(0.5), HEIGHT - 12, xLabel, "middle"),
    text(LEFT - 56, TOP - 10, yLabel, "start"),
    ...axes,
    ...drawn,
    ...legend,
    "</svg>",
    "",
  ].join("\n")
}

function text(x: number, y: number, content: string, anchor: "start" | "middle" | "end"): string {
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${escapeXml(content)}</text>`
}

const percent = (part: number): string => `${Number((100 * part).toFixed(1))} %`
const round = (value: number): number => Math.round(value * 100) / 100

function escapeXml(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;")
}
