import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { decodeTrace } from "./decodeTrace.ts"
import { createTraceEncoder, encodeTrace } from "./encodeTrace.ts"
import { type ExpertTrace, MOST, type TraceHeader } from "./ExpertTrace.ts"
import { FNV_START, fnv1a } from "./fnv1a.ts"

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

/** A file of pieces with the right checksums, whatever is in them. */
function sealed(...pieces: readonly Uint8Array[]): Uint8Array {
  let checksum = FNV_START
  return Uint8Array.from(
    pieces.flatMap((piece) => {
      checksum = fnv1a(checksum, piece)
      return [...piece, ...new Uint8Array(Uint32Array.of(checksum).buffer)]
    }),
  )
}

const headOf = (header: unknown): Uint8Array => new TextEncoder().encode(`${JSON.stringify(header)}\n`)
const SMALL_HEAD = { format: "consilium expert trace", version: 1, ...small.header }

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

  test("refuses what is sealed well and is no trace all the same", () => {
    const [head, end] = [headOf(SMALL_HEAD), new Uint8Array(4)]
    const step = (numTokens: number, ...ids: number[]): Uint8Array =>
      Uint8Array.of(...new Uint8Array(Uint32Array.of(numTokens).buffer), ...ids)
    expect(decodeTrace(sealed(head, step(1, 3, 255), end))).toEqual(small)
    expect(() => decodeTrace(sealed(head, step(1, 3, 4), end))).toThrow("trace damaged in step 0: expert 4 of 4")
    expect(() => decodeTrace(sealed(head, step(MOST.tokens + 1)))).toThrow("damaged in step 0: 1048577 tokens")
    for (const [change, message] of [
      [{ format: "consilium expert traces" }, 'its format is "consilium expert traces"'],
      [{ hasForecasts: "yes" }, "hasForecasts is no boolean"],
      [{ numLayers: 1.5 }, "numLayers is 1.5"],
      [{ numLayers: "1" }, 'numLayers is "1"'],
      [{ topK: 2.5 }, "topK is 2.5"],
    ] as const)
      expect(() => decodeTrace(sealed(headOf({ ...SMALL_HEAD, ...change }), end))).toThrow(message)
    for (const line of [null, 7, "x"])
      expect(() => decodeTrace(sealed(headOf(line), end))).toThrow("no trace: its first line is no JSON object")
  })

  test("says where it is damaged, or where it ends too early", () => {
    const bytes = encodeTrace(small)
    const headBytes = headOf(SMALL_HEAD).length
    const spoilt = bytes.slice()
    spoilt[headBytes + 9]! ^= 1
    expect(() => decodeTrace(spoilt)).toThrow(
      `damaged in step 0: the checksum of bytes ${headBytes + 4} to ${headBytes + 10} is wrong`,
    )
    expect(() => decodeTrace(bytes.subarray(0, -4))).toThrow("cut off in its end mark")
    expect(() => decodeTrace(bytes.subarray(0, -8))).toThrow("cut off before step 1: it has no end mark")
    const endless = new Uint8Array(MOST.headerBytes + 10).fill(32)
    expect(() => decodeTrace(endless)).toThrow(`no line ends in its first ${MOST.headerBytes} bytes`)
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

  test("refuses a header that is longer than a reader looks, and takes one that is not", () => {
    const { head } = createTraceEncoder({ ...small.header, model: "" })
    const room = MOST.headerBytes - (head.length - 4)
    const longest = { ...small, header: { ...small.header, model: "x".repeat(room) } }
    expect(decodeTrace(encodeTrace(longest))).toEqual(longest)
    expect(() => createTraceEncoder({ ...small.header, model: "x".repeat(room + 1) })).toThrow("exceeds 65536")
  })

  test("refuses a step with forecasts among those without, and one without among those with", () => {
    const ids = Int16Array.of(1, 2)
    const without = createTraceEncoder(small.header)
    expect(() => without.step({ numTokens: 1, expertIds: ids, forecastIds: ids })).toThrow(
      "a step with forecasts in a trace without them",
    )
    const among = createTraceEncoder({ ...small.header, hasForecasts: true })
    expect(() => among.step({ numTokens: 1, expertIds: ids, forecastIds: undefined })).toThrow(
      "a step without forecasts in a trace with them",
    )
  })

  test("takes steps of up to a million tokens, and a byte for each id while 255 stays free for none", () => {
    const header = { ...small.header, topK: 1 }
    const sizeOf = (numExperts: number, numTokens: number): number =>
      createTraceEncoder({ ...header, numExperts }).step({
        numTokens,
        expertIds: new Int16Array(numTokens),
        forecastIds: undefined,
      }).length
    expect([sizeOf(255, 10), sizeOf(256, 10)]).toEqual([18, 28])
    expect(sizeOf(4, MOST.tokens)).toBe(MOST.tokens + 8)
    expect(() => sizeOf(4, MOST.tokens + 1)).toThrow("expected 1 to 1048576")
  })
})
