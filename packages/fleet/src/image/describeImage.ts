import { decodePixels, inspectImage } from "./decodePixels.ts"

/** What somebody sees in an image: a label and how sure it is, 0..1. */
export interface Sighting {
  readonly label: string
  readonly probability: number
}

const COLOURS: readonly (readonly [name: string, rgb: readonly [number, number, number]])[] = [
  ["black", [0, 0, 0]],
  ["white", [255, 255, 255]],
  ["grey", [128, 128, 128]],
  ["red", [220, 30, 30]],
  ["green", [40, 160, 60]],
  ["blue", [30, 60, 220]],
  ["yellow", [240, 220, 40]],
  ["orange", [240, 140, 30]],
  ["purple", [140, 40, 170]],
  ["pink", [245, 160, 190]],
  ["brown", [120, 75, 40]],
  ["cyan", [40, 200, 220]],
]
/** Fields across and down whose colours are told. */
const FIELDS = 3

/**
 * Says in words what a simple look at an image gives: format, size, its mean colour and those of a few fields, and what a classifier sees.
 *
 * @throws ImageError on bytes that are no image
 */
export async function describeImage(bytes: Uint8Array, sightings: readonly Sighting[]): Promise<string> {
  const { width, height, format } = await inspectImage(bytes)
  const mean = await decodePixels(bytes, 1, 1)
  const fields = await decodePixels(bytes, FIELDS, FIELDS)
  const names = Array.from({ length: FIELDS * FIELDS }, (_, i) => colourName(fields.subarray(i * 3, i * 3 + 3)))
  const rows = Array.from({ length: FIELDS }, (_, y) => names.slice(y * FIELDS, (y + 1) * FIELDS).join(" "))
  const seen = sightings.map(({ label, probability }) => `${label} ${Math.round(100 * probability)} %`)
  return [
    `${format.toUpperCase()}, ${width} × ${height} pixels`,
    `mean colour #${Buffer.from(mean).toString("hex")} (${colourName(mean)})`,
    `colours from top left to bottom right: ${rows.join("; ")}`,
    ...(seen.length === 0 ? [] : [`looks like: ${seen.join(", ")}`]),
  ].join("; ")
}

function colourName(rgb: Uint8Array): string {
  const distance = (other: readonly number[]): number =>
    other.reduce((sum, value, c) => sum + (value - rgb[c]!) ** 2, 0)
  return COLOURS.toSorted(([, a], [, b]) => distance(a) - distance(b))[0]![0]
}
