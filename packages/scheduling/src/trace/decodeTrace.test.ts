import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { decodeTrace } from "./decodeTrace.ts"
import { createTraceEncoder, encodeTrace } from "./encodeTrace.ts"
import type { ExpertTrace, TraceHeader } from "./ExpertTrace.ts"

const headerArb: fc.Arbitrary<TraceHeader> = fc.record({
  model: fc.string({ unit: "grapheme" }),
  numLayers: fc.integer({ min: 1, max: 3 }),
  numExperts: fc.constantFrom(2, 255, 256, 32_767),
  topK: fc.integer({ min: 1, max: 2 }),
  hasForecasts: fc.boolean(),
})

const traceArb: fc.Arbitrary<ExpertTrace> = headerArb.chain((header) => {
  const step = fc.integer({ min: 1, max: 4 }).chain((numTokens) => {
    const numIds = header.numLayers * numTokens * header.topK
    const ids = fc
      .array(fc.integer({ min: -1, max: header.numExperts - 1 }), { minLength: numIds, maxLength: numIds })
      .map((values) => Int16Array.from(values))
    return fc.record({
      numTokens: fc.constant(numTokens),
      expertIds: ids,
      forecastIds: header.hasForecasts ? ids : fc.constant(undefined),
    })
  })
  return fc.record({ header: fc.constant(header), steps: fc.array(step, { maxLength: 4 }) })
})

const small: ExpertTrace = {
  header: { model: "tiny", numLayers: 1, numExperts: 4, topK: 2, hasForecasts: false },
  steps: [{ numTokens: 1, expertIds: Int16Array.of(3, -1), forecastIds: undefined }],
}

/** A file with another header line and the right checksum of it. */
function withHeader(change: Record<string, unknown>): Uint8Array {
  const { model, numLayers, numExperts, topK, hasForecasts } = small.header
  const fields = { model, numLayers, numExperts, topK, hasForecasts, ...change } as unknown as TraceHeader
  return createTraceEncoder(fields).head
}

describe("decodeTrace", () => {
  test("reads what was written", () => {
    fc.assert(fc.property(traceArb, (trace) => expect(decodeTrace(encodeTrace(trace))).toEqual(trace)))
  })

  test("reads a view that begins anywhere in its buffer", () => {
    const bytes = encodeTrace(small)
    const buffer = new Uint8Array(bytes.length + 3)
    buffer.set(bytes, 3)
    expect(decodeTrace(buffer.subarray(3))).toEqual(small)
  })

  test("refuses every file with one byte changed", () => {
    fc.assert(
      fc.property(traceArb, fc.nat(), fc.integer({ min: 1, max: 255 }), (trace, place, flip) => {
        const bytes = encodeTrace(trace)
        bytes[place % bytes.length]! ^= flip
        expect(() => decodeTrace(bytes)).toThrow(Error)
      }),
    )
  })

  test("refuses every file that is cut off, and one that goes on", () => {
    const bytes = encodeTrace(small)
    for (let length = 0; length < bytes.length; length++)
      expect(() => decodeTrace(bytes.subarray(0, length)), `${length} bytes`).toThrow(/trace/)
    expect(() => decodeTrace(Uint8Array.of(...bytes, 0))).toThrow("1 bytes after its end mark")
  })

  test("refuses bytes of any kind, saying that they are no trace", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => expect(() => decodeTrace(bytes)).toThrow("no trace")),
    )
  })

  test("says what is wrong in a header", () => {
    expect(() => decodeTrace(withHeader({ numLayers: 0 }))).toThrow("numLayers is 0, expected 1 to 1024")
    expect(() => decodeTrace(withHeader({ topK: 5 }))).toThrow("topK is 5, expected 1 to 4")
    expect(() => decodeTrace(withHeader({ numExperts: 1e9 }))).toThrow("numExperts is 1000000000")
    expect(() => decodeTrace(withHeader({ model: 7 }))).toThrow("model is no string")
    const newer = new TextDecoder().decode(encodeTrace(small)).replace('"version":1', '"version":2')
    expect(() => decodeTrace(new TextEncoder().encode(newer))).toThrow("version 2: this reads version 1")
  })

  test("allocates nothing for a step that the file is too short for", () => {
    const head = withHeader({ numLayers: 1024, numExperts: 32_767, topK: 32_767 })
    const bytes = new Uint8Array(head.length + 8)
    bytes.set(head)
    new DataView(bytes.buffer).setUint32(head.length, 1 << 20, true)
    expect(() => decodeTrace(bytes)).toThrow("cut off in step 0")
  })
})

describe("encodeTrace", () => {
  test("refuses a step that no reader would take", () => {
    const encoder = createTraceEncoder(small.header)
    expect(() => encoder.step({ numTokens: 1, expertIds: Int16Array.of(1), forecastIds: undefined })).toThrow(
      "expected 2",
    )
    expect(() => encoder.step({ numTokens: 1, expertIds: Int16Array.of(1, 4), forecastIds: undefined })).toThrow(
      "expert 4 of 4",
    )
    expect(() => encoder.step({ numTokens: 0, expertIds: Int16Array.of(), forecastIds: undefined })).toThrow("0 tokens")
  })
})
