/** Vectors of words and pieces of words; `##` begins a piece that goes on a word. */
export interface WordVectors {
  /** `D` */
  readonly size: number
  readonly words: readonly string[]
  /** `[words, D]`; a vector is its row times its scale. */
  readonly rows: Int8Array
  readonly scales: Float32Array
}

/** Size, number of words, bytes of their text. */
const HEADER_BYTES = 12

/** Returns the bytes of a file of word vectors: the header, the words a line each, the scales, the rows; little-endian. @param values `[words, D]` */
export function packWordVectors(words: readonly string[], values: Float32Array): Uint8Array {
  const size = values.length / words.length
  const lines = words.join("\n")
  // Scales are read in place: they lie on four bytes.
  const text = new TextEncoder().encode(lines.padEnd(lines.length + ((4 - (lines.length % 4)) % 4)))
  const scales = Float32Array.from(words, (_, row) => largestOf(values.subarray(row * size, (row + 1) * size)) / 127)
  const rows = Int8Array.from(values, (value, i) => Math.round(value / (scales[Math.floor(i / size)]! || 1)))
  const header = Uint32Array.of(size, words.length, text.length)
  return Buffer.concat(
    [header, text, scales, rows].map((part) => new Uint8Array(part.buffer, part.byteOffset, part.byteLength)),
  )
}

/** Reads what `packWordVectors` wrote; a view of its bytes. */
export function readWordVectors({ buffer, byteOffset }: Uint8Array<ArrayBuffer>): WordVectors {
  const header = new DataView(buffer, byteOffset)
  const [size, numWords, textBytes] = [0, 4, 8].map((at) => header.getUint32(at, true)) as [number, number, number]
  const text = new Uint8Array(buffer, byteOffset + HEADER_BYTES, textBytes)
  const scalesAt = byteOffset + HEADER_BYTES + textBytes
  return {
    size,
    words: new TextDecoder().decode(text).trimEnd().split("\n"),
    scales: new Float32Array(buffer, scalesAt, numWords),
    rows: new Int8Array(buffer, scalesAt + 4 * numWords, numWords * size),
  }
}

function largestOf(row: Float32Array): number {
  return row.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
}
