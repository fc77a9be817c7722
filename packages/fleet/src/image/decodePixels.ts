import { inflateSync } from "node:zlib"

/** Larger images are refused before they take memory. */
const MOST_PIXELS = 32 * 2 ** 20
const RGBA = 4

/** An image's bytes that are none, or too many: says what was found. */
export class ImageError extends Error {
  override readonly name = "ImageError"
}

/**
 * Decodes an image and scales it, in a thread of the runtime's own; returns `[height, width, 3]`.
 *
 * @throws ImageError
 */
export async function decodePixels(bytes: Uint8Array, width: number, height: number): Promise<Uint8Array> {
  const scaled = await asImageError(() =>
    new Bun.Image(bytes, { maxPixels: MOST_PIXELS })
      .resize(width, height, { filter: "box" })
      .png({ compressionLevel: 0 })
      .bytes(),
  )
  return readPixels(scaled, width, height)
}

export interface ImageFacts {
  readonly width: number
  readonly height: number
  readonly format: string
}

/** @throws ImageError */
export async function inspectImage(bytes: Uint8Array): Promise<ImageFacts> {
  return asImageError(() => new Bun.Image(bytes, { maxPixels: MOST_PIXELS }).metadata())
}

async function asImageError<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw new ImageError((error as Error).message.replace(/^Image: /, ""))
  }
}

/**
 * Reads a PNG that the runtime has just written: 8 bits, red, green, blue and opacity, not interlaced. Other PNGs never come here. What is transparent
 * is shown on white.
 *
 * @see PNG specification, §9: filtering
 */
function readPixels(png: Uint8Array, width: number, height: number): Uint8Array {
  const rows = inflateSync(imageData(png))
  const numBytes = width * RGBA
  const pixels = new Uint8Array(width * height * 3)
  let above = new Uint8Array(numBytes)
  for (let y = 0; y < height; y++) {
    const start = y * (numBytes + 1)
    const row = unfilter(rows[start]!, rows.subarray(start + 1, start + 1 + numBytes), above)
    for (let x = 0; x < width; x++) {
      const opacity = row[x * RGBA + 3]! / 255
      for (let c = 0; c < 3; c++)
        pixels[(y * width + x) * 3 + c] = Math.round(row[x * RGBA + c]! * opacity + 255 * (1 - opacity))
    }
    above = row
  }
  return pixels
}

function imageData(png: Uint8Array): Uint8Array {
  const file = Buffer.from(png.buffer, png.byteOffset, png.byteLength)
  const parts: Buffer[] = []
  for (let at = 8; at < file.length;) {
    const length = file.readUInt32BE(at)
    if (file.toString("latin1", at + 4, at + 8) === "IDAT") parts.push(file.subarray(at + 8, at + 8 + length))
    at += 12 + length
  }
  return Buffer.concat(parts)
}

function unfilter(filter: number, filtered: Uint8Array, above: Uint8Array): Uint8Array<ArrayBuffer> {
  const row = new Uint8Array(filtered.length)
  for (let i = 0; i < row.length; i++) {
    const left = i >= RGBA ? row[i - RGBA]! : 0
    const corner = i >= RGBA ? above[i - RGBA]! : 0
    row[i] = filtered[i]! + [0, left, above[i]!, (left + above[i]!) >> 1, paeth(left, above[i]!, corner)][filter]!
  }
  return row
}

function paeth(left: number, above: number, corner: number): number {
  const guess = left + above - corner
  const [toLeft, toAbove, toCorner] = [left, above, corner].map((value) => Math.abs(guess - value)) as [
    number,
    number,
    number,
  ]
  if (toLeft <= toAbove && toLeft <= toCorner) return left
  return toAbove <= toCorner ? above : corner
}
