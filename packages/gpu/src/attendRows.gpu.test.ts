import { afterAll, describe, expect, test } from "bun:test"
import {
  appendKeysAndValues,
  type AttentionLayer,
  type Backend,
  cacheMemory,
  type CacheFormat,
  type CacheRows,
  createArena,
  createReferenceBackend,
  type Rows,
  type SlotRows,
} from "@consilium/kernels"
import { bf16ToF32, f32ToBf16, noise } from "@consilium/tensor"
import { whyNoGpu } from "../test/openGpu.ts"
import { createGpuBackend, type GpuBackend } from "./index.ts"

const POSITIONS = 600
/** Formats of caches, and the smallest heads that fit them. */
const FORMATS = [
  ["f32", 8],
  ["bf16/8", 16],
  ["bf16/16", 32],
] as const

type LayerShape = Pick<AttentionLayer, "numHeads" | "numKvHeads" | "headDim"> & {
  readonly slidingWindow?: number
  readonly isPlain?: boolean
}

/** A layer with a norm over heads and rope, unless it is plain. */
function planLayer({
  slidingWindow = Number.POSITIVE_INFINITY,
  isPlain = false,
  ...shape
}: LayerShape): AttentionLayer {
  const numPairs = Math.floor(shape.headDim / 4)
  const angles = noise(POSITIONS * numPairs, 3, 3)
  const rope = { cos: angles.map(Math.cos), sin: angles.map(Math.sin), rotaryDim: 2 * numPairs, isInterleaved: false }
  const qkNorm = { over: "head", q: noise(shape.headDim, 1, 2), k: noise(shape.headDim, 2, 2), epsilon: 1e-6 } as const
  const scale = 1 / Math.sqrt(shape.headDim)
  return { ...shape, scale, slidingWindow, rope: isPlain ? undefined : rope, qkNorm: isPlain ? undefined : qkNorm }
}

type Slot = Pick<SlotRows, "numRows" | "pastLength">

interface Given {
  readonly cacheFormat?: CacheFormat
  /** Whether all numbers are ones of bf16. */
  readonly isRounded?: boolean
  /** Changes qkv, not pasts, first. */
  readonly spoil?: (qkv: Float32Array) => void
}

const qkvWidth = ({ numHeads, numKvHeads, headDim }: AttentionLayer): number => (numHeads + 2 * numKvHeads) * headDim

function rounded(values: Float32Array): Float32Array {
  const halves = new Uint16Array(values.length)
  f32ToBf16(halves, values)
  bf16ToF32(values, halves)
  return values
}

describe.skipIf(whyNoGpu() !== undefined)("attendRows", () => {
  const arena = createArena()
  let opened!: GpuBackend
  const gpu = (): GpuBackend => (opened ??= createGpuBackend(arena))
  const reference = createReferenceBackend(arena)
  afterAll(() => {
    opened?.close()
    arena.close()
  })

  /** Attends of seeded rows over seeded pasts; returns out, qkv, and the caches as they are then, in their words where they have any. */
  const attend = (
    backend: Backend,
    layer: AttentionLayer,
    shape: readonly Slot[],
    { cacheFormat = "f32", isRounded = false, spoil = () => {} }: Given = {},
  ) => {
    const { numHeads, numKvHeads, headDim } = layer
    const numRows = shape.reduce((sum, slot) => sum + slot.numRows, 0)
    const width = qkvWidth(layer)
    const seeded = (length: number, seed: number): Float32Array =>
      isRounded ? rounded(noise(length, seed, 1)) : noise(length, seed, 1)
    const [qkv, out] = [arena.rows(numRows, width), arena.rows(numRows, numHeads * headDim)]
    let firstRow = 0
    const slots: SlotRows[] = shape.map(({ numRows: numOwn, pastLength }, s) => {
      const capacity = pastLength + numOwn + 3
      const takeCache = (): CacheRows => arena.cacheRows(cacheFormat, numKvHeads * capacity, headDim)
      const cache = { capacity, keys: takeCache(), values: takeCache() }
      const past = seeded(pastLength * width, 50 + s)
      appendKeysAndValues(past, [{ ...cache, firstRow: 0, numRows: pastLength, pastLength: 0 }], layer)
      firstRow += numOwn
      return { ...cache, numRows: numOwn, pastLength, firstRow: firstRow - numOwn }
    })
    qkv.values.set(seeded(numRows * width, 9))
    spoil(qkv.values)
    for (const { keys, values } of slots) for (const cache of [keys, values]) backend.wrote?.(cache as Rows)
    backend.attend(out, qkv, slots, layer)
    const caches = slots.flatMap(({ keys, values }) => [keys, values])
    const results = { out: out.values.slice(), qkv: qkv.values.slice(), caches: caches.map(bitsOf) }
    for (const { span } of [out, qkv, ...caches]) arena.free(span)
    return results
  }
  const bitsOf = (rows: CacheRows): Int32Array => {
    const { buffer, byteOffset, length } = cacheMemory(rows)
    return new Int32Array(buffer, byteOffset, length).slice()
  }
  const expectNear = (found: Float32Array, expected: Float32Array): void => {
    const worst = found.reduce((most, value, at) => Math.max(most, Math.abs(value - expected[at]!)), 0)
    expect(worst).toBeLessThan(2e-5)
  }
  /** In bf16 of a plain layer: else what lies between two values may be rounded either way. */
  const expectClose = (layer: AttentionLayer, shape: readonly Slot[], cacheFormat: CacheFormat = "f32"): void => {
    const [found, expected] = [gpu(), reference].map((backend) => attend(backend, layer, shape, { cacheFormat }))
    for (const rows of ["out", "qkv"] as const) expectNear(found![rows], expected![rows])
    for (const [i, cache] of found!.caches.entries()) {
      if (cacheFormat === "f32") expectNear(floatsOf(cache), floatsOf(expected!.caches[i]!))
      else expect(cache).toEqual(expected!.caches[i]!)
    }
  }
  const floatsOf = (bits: Int32Array): Float32Array => new Float32Array(bits.buffer)

  describe.each(FORMATS)("caches in %s", (cacheFormat, headDim) => {
    test.each([Number.POSITIVE_INFINITY, 100, 64, 1])(
      "a long past, decoded alone, in a batch and by chunks, is as the reference has it, with a window of %d",
      (slidingWindow) => {
        const isPlain = cacheFormat !== "f32"
        const layer = planLayer({ numHeads: 4, numKvHeads: 2, headDim: 2 * headDim, slidingWindow, isPlain })
        const long = { numRows: 1, pastLength: 333 }
        expectClose(layer, [long], cacheFormat)
        expectClose(
          layer,
          [long, { numRows: 0, pastLength: 7 }, { numRows: 21, pastLength: 190 }, { numRows: 1, pastLength: 63 }],
          cacheFormat,
        )
      },
    )

    test("a NaN or an infinity shows where the reference has it, and leaves all else bit for bit", () => {
      const layer = planLayer({ numHeads: 4, numKvHeads: 2, headDim, slidingWindow: 6, isPlain: true })
      const slots = [
        { numRows: 20, pastLength: 60 },
        { numRows: 1, pastLength: 90 },
      ]
      const { out: clean } = attend(gpu(), layer, slots, { cacheFormat })
      const [width, outWidth] = [qkvWidth(layer), 4 * headDim]
      for (const fault of [Number.NaN, Number.POSITIVE_INFINITY]) {
        for (const [from, to] of [
          [0, width],
          [3, 4],
          [4 * headDim, 4 * headDim + 1],
          [width - 1, width],
        ]) {
          const spoil = (qkv: Float32Array): void => void qkv.fill(fault, 7 * width + from!, 7 * width + to!)
          const [found, expected] = [gpu(), reference].map(
            (backend) => attend(backend, layer, slots, { cacheFormat, spoil }).out,
          )
          const finite = (values: Float32Array): Float32Array => values.map((value) => Number(Number.isFinite(value)))
          expect(finite(found!)).toEqual(finite(expected!))
          expect(found!.subarray(0, 7 * outWidth)).toEqual(clean.subarray(0, 7 * outWidth))
          expect(found!.subarray(13 * outWidth)).toEqual(clean.subarray(13 * outWidth))
        }
      }
    })
  })

  // So many rows are attended by one workgroup each; fewer are split by blocks.
  test.each([
    ...FORMATS.flatMap(([cacheFormat, headDim]) =>
      [Number.POSITIVE_INFINITY, 90].map((slidingWindow) => {
        return { cacheFormat, numRows: 520, numHeads: 8, numKvHeads: 2, headDim, slidingWindow }
      }),
    ),
    {
      cacheFormat: "f32",
      numRows: 72,
      numHeads: 32,
      numKvHeads: 32,
      headDim: 132,
      slidingWindow: Number.POSITIVE_INFINITY,
    },
    {
      cacheFormat: "bf16/8",
      numRows: 72,
      numHeads: 32,
      numKvHeads: 32,
      headDim: 144,
      slidingWindow: Number.POSITIVE_INFINITY,
    },
    { cacheFormat: "bf16/16", numRows: 72, numHeads: 16, numKvHeads: 16, headDim: 544, slidingWindow: 65 },
  ] as const)(
    "a row's bits are the same in a chunk, in parts of it and alone: a cache of $cacheFormat, heads of $headDim values, window $slidingWindow",
    (of) => {
      const { cacheFormat, numRows, numHeads, numKvHeads } = of
      const layer = planLayer(of)
      const [width, outWidth] = [qkvWidth(layer), numHeads * of.headDim]
      const [qkv, out] = [arena.rows(numRows, width), arena.rows(numRows, outWidth)]
      const takeCache = (): CacheRows => arena.cacheRows(cacheFormat, numKvHeads * numRows, of.headDim)
      const [keys, values] = [takeCache(), takeCache()]
      const raw = noise(numRows * width, 9, 1)
      const run = (numOwn: number, pastLength: number): Float32Array => {
        qkv.values.set(raw.subarray(pastLength * width, (pastLength + numOwn) * width))
        const slot = { firstRow: 0, numRows: numOwn, pastLength, capacity: numRows, keys, values }
        gpu().attend(out, qkv, [slot], layer)
        return out.values.slice(0, numOwn * outWidth)
      }
      const whole = run(numRows, 0)
      const cached = [keys, values].map(bitsOf)
      for (const [numOwn, pastLength] of [
        [1, 0],
        [1, 63],
        [1, 64],
        [2, 70],
        [2, 127],
        [5, 300],
        [40, 480],
        [1, 519],
      ] as const) {
        if (pastLength + numOwn > numRows) continue
        expect(run(numOwn, pastLength)).toEqual(whole.subarray(pastLength * outWidth, (pastLength + numOwn) * outWidth))
      }
      expect([keys, values].map(bitsOf)).toEqual(cached)
      for (const { span } of [qkv, out, keys, values]) arena.free(span)
    },
  )

  test.each([
    ["bf16/8", 80],
    ["bf16/16", 96],
    ["bf16/16", 160],
    ["bf16/16", 544],
  ] as const)(
    "over a cache of %s, heads of %d values have the bits that they have over the same values in f32",
    (cacheFormat, headDim) => {
      const layer = planLayer({ numHeads: 3, numKvHeads: 1, headDim, isPlain: true })
      for (const slots of [
        [{ numRows: 1, pastLength: 150 }],
        [
          { numRows: 7, pastLength: 60 },
          { numRows: 2, pastLength: 0 },
        ],
      ]) {
        const [found, expected] = [cacheFormat, "f32" as const].map(
          (format) => attend(gpu(), layer, slots, { cacheFormat: format, isRounded: true }).out,
        )
        expect(found).toEqual(expected!)
      }
    },
  )

  test("keys and values are rounded to the processor's bits: ties, signs, what is tiny, huge or not finite", () => {
    const layer = planLayer({ numHeads: 1, numKvHeads: 1, headDim: 32, isPlain: true })
    const halves = [0, 1, 0x7f, 0x80, 0x3f7f, 0x3f80, 0x7f7e, 0x7f7f, 0x7f80, 0x7fc0, 0x7fff]
    const below = [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff]
    const bits = halves.flatMap((half) =>
      below.flatMap((low) => [0, 0x8000].map((sign) => ((half | sign) << 16) | low)),
    )
    const slots = [{ numRows: Math.ceil(bits.length / 32), pastLength: 0 }]
    const spoil = (qkv: Float32Array): void => {
      const raw = new Int32Array(qkv.buffer, qkv.byteOffset, qkv.length)
      for (const [i, value] of bits.entries())
        for (const from of [32, 64]) raw[Math.floor(i / 32) * 96 + from + (i % 32)] = value
    }
    for (const cacheFormat of ["bf16/8", "bf16/16"] as const) {
      const run = (backend: Backend) => attend(backend, layer, slots, { cacheFormat, spoil }).caches
      const found = run(gpu())
      expect(found).toEqual(run(reference))
      expect(new Set(found[0]).size).toBeGreaterThan(bits.length / 6)
    }
  })

  test.each([5, 6, 40, 129, 132, 513, 514, 516, 1100])(
    "heads of %d values, whole vectors or not, are as the reference has them",
    (headDim) => {
      expectClose(planLayer({ numHeads: 3, numKvHeads: 1, headDim, isPlain: headDim % 2 === 1 }), [
        { numRows: 1, pastLength: 70 },
        { numRows: 2, pastLength: 0 },
      ])
    },
  )

  test("more slots than fit one dispatch's parameters are as the reference has them", () => {
    const slots = Array.from({ length: 35 }, (_, s) => ({ numRows: 1 + (s % 2), pastLength: 3 * s }))
    expectClose(planLayer({ numHeads: 2, numKvHeads: 1, headDim: 8 }), slots)
  })

  test("a lost device gets its norms and angles again", () => {
    const layer = planLayer({ numHeads: 2, numKvHeads: 1, headDim: 8 })
    const slots = [{ numRows: 2, pastLength: 5 }]
    const before = attend(gpu(), layer, slots)
    const memory = gpu().deviceMemory()
    gpu().endHost!()
    expect(() => attend(gpu(), layer, slots)).toThrow("the device was lost")
    expect(attend(gpu(), layer, slots)).toEqual(before)
    expect(gpu().deviceMemory().numBuffers).toBeLessThanOrEqual(memory.numBuffers)
  })
})
