/** The little of SVG that plots need: escaped text, numbers without noise, a drawing that reads on white and on black. */

/** Colours apart for every kind of eye, and from white and black (after Okabe and Ito). */
const PALETTE = ["#1f83c7", "#d9660f", "#10996f", "#b86aa5", "#b58900", "#5b6ee1", "#8a8f98"]

/** About, of the text of labels and values: a drawing leaves this much room. */
export const CHARACTER_WIDTH = 6.8

export function colourOf(index: number): string {
  return PALETTE[index % PALETTE.length]!
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;")
}

export interface TextStyle {
  readonly anchor?: "start" | "middle" | "end"
  readonly kind?: "title" | "label" | "value"
  readonly colour?: string
}

/** @param y of the baseline */
export function text(
  x: number,
  y: number,
  content: string,
  { anchor = "start", kind = "label", colour }: TextStyle = {},
): string {
  const fill = colour === undefined ? "" : ` style="fill:${colour}"`
  return `<text x="${round(x)}" y="${round(y)}" class="${kind}" text-anchor="${anchor}"${fill}>${escapeXml(content)}</text>`
}

export interface LineStyle {
  /** A colour, or one of the greys that follow the viewer's background. */
  readonly colour: string | "axis" | "whisker"
  readonly width?: number
  readonly dash?: string
}

/** A line through points. */
export function path(
  points: readonly (readonly [x: number, y: number])[],
  { colour, width = 1, dash }: LineStyle,
): string {
  const d = points.map(([x, y], i) => `${i === 0 ? "M" : "L"}${round(x)} ${round(y)}`).join("")
  const stroke = colour.startsWith("#") ? `stroke="${colour}"` : `class="${colour}"`
  const dashes = dash === undefined ? "" : ` stroke-dasharray="${dash}"`
  return `<path d="${d}" fill="none" ${stroke} stroke-width="${width}"${dashes}/>`
}

export function rect(x: number, y: number, width: number, height: number, colour: string): string {
  return `<rect x="${round(x)}" y="${round(y)}" width="${round(Math.max(0, width))}" height="${round(height)}" rx="2" fill="${colour}"/>`
}

export function circle(x: number, y: number, radius: number, colour: string): string {
  return `<circle cx="${round(x)}" cy="${round(y)}" r="${radius}" fill="${colour}"/>`
}

/** Wraps shapes as a file. The background is none; greys read on white and black, and are set for each where the viewer says which. */
export function drawing(width: number, height: number, title: string, shapes: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${Math.ceil(height)}" width="${width}" height="${Math.ceil(height)}" role="img">`,
    `<title>${escapeXml(title)}</title>`,
    "<style>",
    "text{font-family:system-ui,-apple-system,'Segoe UI',sans-serif;font-size:12px;fill:#6e7781}",
    ".title{font-size:14px;font-weight:600}.value{font-variant-numeric:tabular-nums}.axis{stroke:#8c959f;stroke-opacity:.45}.whisker{stroke:#57606a}",
    "@media(prefers-color-scheme:light){text{fill:#57606a}.title{fill:#24292f}}",
    "@media(prefers-color-scheme:dark){text{fill:#9da7b3}.title{fill:#e6edf3}.whisker{stroke:#c9d1d9}}",
    "</style>",
    ...shapes,
    "</svg>",
    "",
  ].join("\n")
}

/** Two decimals: no pixel is finer. */
function round(value: number): string {
  if (!Number.isFinite(value)) throw new Error(`svg: expected a finite coordinate, found ${value}`)
  return String(Math.round(value * 100) / 100)
}
