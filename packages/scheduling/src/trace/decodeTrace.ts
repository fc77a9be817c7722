import { bytesPerId, TRACE_FORMAT, TRACE_VERSION } from "./encodeTrace.ts"
import { type ExpertTrace, MOST, type TraceHeader, type TraceStep } from "./ExpertTrace.ts"
import { FNV_START, fnv1a } from "./fnv1a.ts"

const NEWLINE = 10

/**
 * Reads a trace file.
 *
 * Files are not trusted: nothing is allocated that their length does not bear out.
 *
 * @throws Error saying where the file is damaged, cut off, too new, or no trace at all
 */
export function decodeTrace(bytes: Uint8Array): ExpertTrace {
  const newline = bytes.subarray(0, MOST.headerBytes).indexOf(NEWLINE)
  if (newline < 0) throw new Error(`no trace: no line ends in its first ${MOST.headerBytes} bytes`)
  const header = parseHeader(new TextDecoder().decode(bytes.subarray(0, newline)))
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

  let checksum = FNV_START
  let at = 0
  /** Verifies the next bytes, passes their checksum, and returns where they begin. */
  const take = (numBytes: number, what: string): number => {
    const first = at
    if (first + numBytes + 4 > bytes.length)
      throw new Error(`trace cut off in ${what}: byte ${first} of ${bytes.length}`)
    checksum = fnv1a(checksum, bytes.subarray(first, first + numBytes))
    if (view.getUint32(first + numBytes, true) !== checksum)
      throw new Error(`trace damaged in ${what}: the checksum of bytes ${first} to ${first + numBytes} is wrong`)
    at = first + numBytes + 4
    return first
  }

  take(newline + 1, "its header")
  const steps: TraceStep[] = []
  for (;;) {
    const what = `step ${steps.length}`
    if (at + 4 > bytes.length) throw new Error(`trace cut off before ${what}: it has no end mark`)
    const numTokens = view.getUint32(at, true)
    if (numTokens === 0) break
    if (numTokens > MOST.tokens) throw new Error(`trace damaged in ${what}: ${numTokens} tokens`)
    const width = bytesPerId(header.numExperts)
    const numIds = header.numLayers * numTokens * header.topK
    const first = 4 + take(4 + (header.hasForecasts ? 2 : 1) * numIds * width, what)
    const expertIds = readIds(bytes, first, numIds, header, what)
    const forecastIds = header.hasForecasts ? readIds(bytes, first + numIds * width, numIds, header, what) : undefined
    steps.push({ numTokens, expertIds, forecastIds })
  }
  take(4, "its end mark")
  if (at !== bytes.length) throw new Error(`trace damaged: ${bytes.length - at} bytes after its end mark`)
  return { header, steps }
}

function parseHeader(line: string): TraceHeader {
  let fields: unknown
  try {
    fields = JSON.parse(line)
  } catch (cause) {
    throw new Error("no trace: its first line is no JSON", { cause })
  }
  if (typeof fields !== "object" || fields === null) throw new Error("no trace: its first line is no JSON object")
  const { format, version, model, numLayers, numExperts, topK, hasForecasts } = fields as Record<string, unknown>
  if (format !== TRACE_FORMAT)
    throw new Error(`no trace: its format is ${JSON.stringify(format)}, expected ${JSON.stringify(TRACE_FORMAT)}`)
  if (version !== TRACE_VERSION)
    throw new Error(`a trace of version ${JSON.stringify(version)}: this reads version ${TRACE_VERSION}`)
  if (typeof model !== "string") throw new Error("trace header: model is no string")
  if (typeof hasForecasts !== "boolean") throw new Error("trace header: hasForecasts is no boolean")
  return {
    model,
    numLayers: parseCount("numLayers", numLayers, MOST.layers),
    numExperts: parseCount("numExperts", numExperts, MOST.experts),
    topK: parseCount("topK", topK, Number(numExperts)),
    hasForecasts,
  }
}

function parseCount(name: string, value: unknown, most: number): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 1 || value > most)
    throw new Error(`trace header: ${name} is ${JSON.stringify(value)}, expected 1 to ${most}`)
  return value
}

function readIds(bytes: Uint8Array, at: number, numIds: number, { numExperts }: TraceHeader, what: string): Int16Array {
  const ids = new Int16Array(numIds)
  const width = bytesPerId(numExperts)
  for (let i = 0; i < numIds; i++) {
    const value = width === 1 ? bytes[at + i]! : bytes[at + 2 * i]! | (bytes[at + 2 * i + 1]! << 8)
    const isNone = value === (width === 1 ? 255 : 65_535)
    if (!isNone && value >= numExperts) throw new Error(`trace damaged in ${what}: expert ${value} of ${numExperts}`)
    ids[i] = isNone ? -1 : value
  }
  return ids
}
