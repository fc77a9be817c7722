import type { EmbedderMark } from "../embed/Embedder.ts"
import type { RouterWeights } from "../learned/RouterWeights.ts"

/** What a router's file begins with. */
export const MAGIC = "CSRT"
export const VERSION = 1
/** Magic, version, header's length, checksum of what follows. */
export const PREFIX_BYTES = 20

/** What is written as JSON before the numbers. */
export interface RouterHeader {
  readonly experts: readonly string[]
  readonly output: RouterWeights["output"]
  readonly seed: number
  readonly numGrams: number
  readonly numSeen: number
  readonly embeddingSize: number
  readonly embedder?: EmbedderMark
  readonly hiddenWidth: number
  readonly hasHead: boolean
  readonly hasTradeOff: boolean
  readonly temperature: number
}

/**
 * Writes a router: header, then hashes, idf, a scale for each row of the bag, its rows in 8 bits, and what else there is in float32.
 *
 * Rows lose about 1/250 of their largest value; `decodeRouter` gives what the file holds, so judge that.
 */
export function encodeRouter(weights: RouterWeights): Uint8Array {
  const { experts, output, features, embeddingSize, embedder, seen, bag, bagBias, head, temperature, tradeOff } =
    weights
  const header: RouterHeader = {
    experts,
    output,
    seed: features.seed,
    numGrams: features.hashes.length,
    numSeen: seen.length,
    embeddingSize,
    ...(embedder !== undefined && { embedder }),
    hiddenWidth: bagBias.length,
    hasHead: head !== undefined,
    hasTradeOff: tradeOff !== undefined,
    temperature,
  }
  const { scales, rows } = quantizeRows(bag, bagBias.length)
  const arrays = [features.hashes, seen, features.idf, scales, bagBias]
  if (head !== undefined) arrays.push(head.taskEmbedding, head.output.weight, head.output.bias)
  if (tradeOff !== undefined) arrays.push(tradeOff.thresholds, tradeOff.quality)
  const text = new TextEncoder().encode(JSON.stringify(header))
  const body = Buffer.concat([text, ...arrays.map(bytesOf), bytesOf(rows)])

  const prefix = Buffer.alloc(PREFIX_BYTES)
  prefix.write(MAGIC, 0, "latin1")
  prefix.writeUInt32LE(VERSION, 4)
  prefix.writeUInt32LE(text.length, 8)
  prefix.writeBigUInt64LE(Bun.hash.xxHash64(body), 12)
  return Buffer.concat([prefix, body])
}

function quantizeRows(bag: Float32Array, width: number): { scales: Float32Array; rows: Int8Array } {
  const scales = new Float32Array(bag.length / width)
  const rows = new Int8Array(bag.length)
  for (let n = 0; n < scales.length; n++) {
    let largest = 0
    for (let r = 0; r < width; r++) largest = Math.max(largest, Math.abs(bag[n * width + r]!))
    scales[n] = largest / 127
    if (largest === 0) continue
    for (let r = 0; r < width; r++) rows[n * width + r] = Math.round((bag[n * width + r]! * 127) / largest)
  }
  return { scales, rows }
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength)
}
