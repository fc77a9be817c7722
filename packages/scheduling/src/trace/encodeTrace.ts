import { type ExpertTrace, MOST, type TraceHeader, type TraceStep } from "./ExpertTrace.ts"
import { FNV_START, fnv1a } from "./fnv1a.ts"

/** Writes a trace piece by piece, so that a recorder keeps none of it. The pieces, one after the other, are the file. */
export interface TraceEncoder {
  /** The file's beginning. */
  readonly head: Uint8Array
  step(step: TraceStep): Uint8Array
  /** The file's end: without it a reader takes the file for cut off. */
  end(): Uint8Array
}

/** @throws Error on a header that no reader takes */
export function createTraceEncoder(header: TraceHeader): TraceEncoder {
  const { model, numLayers, numExperts, topK, hasForecasts } = header
  const fields = { format: TRACE_FORMAT, version: TRACE_VERSION, model, numLayers, numExperts, topK, hasForecasts }
  const line = new TextEncoder().encode(`${JSON.stringify(fields)}\n`)
  if (line.length > MOST.headerBytes) throw new Error(`a header of ${line.length} bytes exceeds ${MOST.headerBytes}`)
  let checksum = FNV_START

  const seal = (bytes: Uint8Array): Uint8Array => {
    const body = bytes.subarray(0, bytes.length - 4)
    checksum = fnv1a(checksum, body)
    new DataView(bytes.buffer).setUint32(body.length, checksum, true)
    return bytes
  }
  const head = new Uint8Array(line.length + 4)
  head.set(line)
  return {
    head: seal(head),
    step({ numTokens, expertIds, forecastIds }) {
      const numIds = numLayers * numTokens * topK
      checkIds(expertIds, numIds, header)
      if (hasForecasts !== (forecastIds !== undefined))
        throw new Error(
          `a step ${hasForecasts ? "without" : "with"} forecasts in a trace ${hasForecasts ? "with" : "without"} them`,
        )
      if (forecastIds !== undefined) checkIds(forecastIds, numIds, header)
      if (numTokens < 1 || numTokens > MOST.tokens)
        throw new Error(`a step of ${numTokens} tokens: expected 1 to ${MOST.tokens}`)

      const width = bytesPerId(numExperts)
      const bytes = new Uint8Array(4 + (hasForecasts ? 2 : 1) * numIds * width + 4)
      new DataView(bytes.buffer).setUint32(0, numTokens, true)
      writeIds(bytes, 4, expertIds, width)
      if (forecastIds !== undefined) writeIds(bytes, 4 + numIds * width, forecastIds, width)
      return seal(bytes)
    },
    end: () => seal(new Uint8Array(8)),
  }
}

/** Returns a whole trace as a file. */
export function encodeTrace({ header, steps }: ExpertTrace): Uint8Array {
  const encoder = createTraceEncoder(header)
  const pieces = [encoder.head, ...steps.map((step) => encoder.step(step)), encoder.end()]
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const piece of pieces) {
    bytes.set(piece, at)
    at += piece.length
  }
  return bytes
}

export const TRACE_FORMAT = "consilium expert trace"
export const TRACE_VERSION = 1

/** One byte where it holds every id and "none", else two. */
export function bytesPerId(numExperts: number): 1 | 2 {
  return numExperts < 256 ? 1 : 2
}

function checkIds(ids: Int16Array, numIds: number, { numExperts }: TraceHeader): void {
  if (ids.length !== numIds) throw new Error(`a step of ${ids.length} ids: expected ${numIds}`)
  for (const id of ids) if (id < -1 || id >= numExperts) throw new Error(`expert ${id} of ${numExperts}`)
}

/** "None" is all bits set in either width. */
function writeIds(bytes: Uint8Array, at: number, ids: Int16Array, width: number): void {
  for (let i = 0; i < ids.length; i++) {
    bytes[at + i * width] = ids[i]! & 255
    if (width === 2) bytes[at + i * width + 1] = (ids[i]! >> 8) & 255
  }
}
