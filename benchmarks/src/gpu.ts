import { createGpuBackend, featureWords, findGpuAdapter, type GpuBackend, measureGpuLimits } from "@consilium/gpu"
import { type CacheFormat, createArena, createReferenceBackend, fitsCache, type Format } from "@consilium/kernels"
import { createLayerRun, type LayerRun } from "./createLayerRun.ts"
import { computeRight, createProduct, repeatRows } from "./createProduct.ts"
import { parseShape } from "./generate/parseShape.ts"
import { type AttentionWork, countAttention, createAttention } from "./gpu/createAttention.ts"
import { type GpuSizes, parseRows, sizesOf } from "./gpu/GpuSizes.ts"
import { timeCalls } from "./gpu/timeCalls.ts"
import { routingOf, skewedHidden } from "./MoeProblem.ts"
import { openSlabPool, packRandomSlab, type PackedSlab, type PoolShape } from "./openSlabPool.ts"
import { requireNear, SAME_NUMBERS } from "./relativeError.ts"
import type { Measurement, Suite, SuiteOptions } from "./Suite.ts"

const SHAPE = "qwen3-30b-a3b"
const ROWS = [1, 2, 4, 8, 32, 128, 512]
/** Tokens of a whole layer: one sequence that decodes, and many together. */
const LAYER_ROWS = [1, 16]
/** Few rows wait for memory, many for the arithmetic: past these, bytes a second say nothing. */
const MOST_ROWS_OF_BANDWIDTH = 16
/** Sequences that decode together in attention; more rows are a chunk of one sequence. */
const MOST_SLOTS = 16
const DECODE_PAST = 2048
/** Enough that all of it runs, where figures say nothing. */
const SOFTWARE_DECODE_PAST = 64
/** Copies of what is read take turns, and are together larger than any cache. */
const POOL_BYTES = 512 * 2 ** 20

const DEVICE = "this device"

/** The kernels of a GPU against the device's limits, timed on it: what comes over the bus is not in it. */
export const gpu: Suite = {
  name: "gpu",
  question:
    "How near do a GPU's kernels come to the limits of the device: products of 1 to 512 rows, all experts of a layer, attention?",
  takes: ["format"],
  compares: true,
  flags: [
    {
      name: "shape",
      value: "<name>[,<field>=<n>…]",
      purpose: `sizes of the layer, as bench engine has them (${SHAPE})`,
    },
    { name: "rows", value: "<n>[,<n>…]", purpose: `rows of every call (${ROWS.join(", ")})` },
  ],
  plot: "lines",
  axis: "rows",
  variant: ({ flags }) => {
    const rows = parseRows(flags.rows)
    const parts = [
      ...(flags.shape === undefined ? [] : [parseShape(flags.shape).name]),
      ...(rows === undefined ? [] : ["rows", ...rows]),
    ]
    return parts.length === 0 ? undefined : parts.join("-")
  },
  findDevice: findGpuAdapter,
  async *run(options) {
    const { formats, flags, expect, report } = options
    const rows = parseRows(flags.rows)
    const sizes = sizesOf(parseShape(flags.shape ?? SHAPE))
    const run: GpuRun = {
      sizes,
      rows: rows ?? ROWS,
      layerRows: rows ?? LAYER_ROWS,
      ...inspectGpu(sizes),
    }
    const attended = run.cacheFormats.flatMap(() => run.rows)
    const measured = [...formats.flatMap(() => [...run.rows, ...run.rows, ...run.layerRows]), ...attended]
    expect(3 + measured.length + measured.filter((m) => m <= MOST_ROWS_OF_BANDWIDTH).length)
    report("this device's limits")
    yield* limits(run.timing)
    for (const format of formats) {
      for (const shape of productShapes(run.sizes, format)) yield* measureProducts(shape, format, run, options)
      yield* measureLayer(format, run, options)
    }
    for (const cacheFormat of run.cacheFormats) yield* measureAttention(cacheFormat, run, options)
  },
}

/** What a run measures. */
interface GpuRun {
  readonly sizes: GpuSizes
  readonly rows: readonly number[]
  readonly layerRows: readonly number[]
  readonly poolBytes: number
  /** Positions that a sequence has before it decodes. */
  readonly decodePast: number
  /** Of keys and values: what models in 8 and 4 bits are kept in, and f32; none where the backend has no attention. */
  readonly cacheFormats: readonly CacheFormat[]
  /** How calls are timed, for the record. */
  readonly timing: string
}

/** Returns what depends on the adapter. A software adapter's caches are the processor's: its figures say nothing, and need no pool. */
function inspectGpu({ headDim }: GpuSizes): Pick<GpuRun, "poolBytes" | "decodePast" | "cacheFormats" | "timing"> {
  const arena = createArena()
  const backend = createGpuBackend(arena)
  const { adapter } = backend
  const best = backend.cacheFormats.find((format) => fitsCache(format, headDim))
  const cacheFormats = backend.supports("attend", "f32") ? [...new Set([best ?? "f32", "f32" as const])] : []
  backend.close()
  arena.close()
  const clock = adapter.hasTimestamps ? "the device's timestamps around kernels" : "the wall clock around submissions"
  const timing = `timed by ${clock}, ${backend.beginStep === undefined ? "a submission a call" : "many calls a step"}; kernels with ${featureWords(adapter.features) || "plain WGSL"}`
  const [poolBytes, decodePast] = adapter.isSoftware ? [1, SOFTWARE_DECODE_PAST] : [POOL_BYTES, DECODE_PAST]
  return { poolBytes, decodePast, cacheFormats, timing }
}

function* limits(timing: string): Iterable<Measurement> {
  const { readBytesPerSec, int8OpsPerSec, f32FlopsPerSec } = measureGpuLimits()
  const giga = (samples: readonly number[]): number[] => samples.map((perSec) => perSec / 1e9)
  yield { name: DEVICE, contender: "read", unit: "GB/s", samples: giga(readBytesPerSec), note: `calls ${timing}` }
  yield { name: DEVICE, contender: "int8 peak", unit: "GOPS", samples: giga(int8OpsPerSec) }
  yield { name: DEVICE, contender: "f32 peak", unit: "GOPS", samples: giga(f32FlopsPerSec) }
}

type ProductShape = PoolShape & { readonly name: string }

function expertShape({ hiddenSize, expertIntermediateSize }: GpuSizes, format: Format): ProductShape {
  return {
    name: `expert ${hiddenSize} → ${expertIntermediateSize} → ${hiddenSize}`,
    kind: "expert",
    format,
    hiddenSize,
    intermediateSize: expertIntermediateSize,
    activation: "silu",
    hasGateProj: true,
    hasBias: false,
  }
}

/** An expert, and the matrix that makes q, k and v. */
function productShapes(sizes: GpuSizes, format: Format): readonly ProductShape[] {
  const { hiddenSize, numHeads, numKvHeads, headDim } = sizes
  const numRows = (numHeads + 2 * numKvHeads) * headDim
  const name = `matrix ${hiddenSize} → ${numRows}`
  return [expertShape(sizes, format), { name, kind: "matrix", format, numRows, numColumns: hiddenSize, hasBias: false }]
}

/** Runs `body` with a backend that times its kernels, and ends both it and its arena. */
async function* withTimedGpu(body: (backend: GpuBackend) => AsyncIterable<Measurement>): AsyncIterable<Measurement> {
  const arena = createArena()
  try {
    const backend = createGpuBackend(arena, { timesKernels: true })
    try {
      yield* body(backend)
    } finally {
      backend.close()
    }
  } finally {
    arena.close()
  }
}

async function* measureProducts(
  shape: ProductShape,
  format: Format,
  { rows, poolBytes }: GpuRun,
  { signal, report }: SuiteOptions,
): AsyncIterable<Measurement> {
  report(`packing ${shape.name}, ${format}`)
  const packed = packRandomSlab(shape)
  const right = computeRight(shape, packed)
  const weights =
    shape.kind === "expert" ? 3 * shape.hiddenSize * shape.intermediateSize : shape.numRows * shape.numColumns
  yield* withTimedGpu(async function* (backend) {
    const { slabs } = openSlabPool(backend, packed, poolBytes)
    for (const numRows of rows) {
      signal.throwIfAborted()
      const what = `${shape.name}, ${numRows} rows, ${format}`
      report(what)
      const { run, output } = createProduct(backend, slabs, shape, numRows)
      run()
      requireNear(what, output, repeatRows(right, numRows), SAME_NUMBERS[format])
      const work = { ops: 2 * weights * numRows, bytes: packed.layout.bytes }
      yield* asRates(timeCalls(backend, run), { name: shape.name, contender: format, at: numRows }, format, work)
    }
  })
}

/** A whole layer: router, all chosen experts, their sum. Layers take turns; each has the same experts in another order, so that a token chooses others. */
async function* measureLayer(
  format: Format,
  { sizes, layerRows, poolBytes }: GpuRun,
  { signal, report }: SuiteOptions,
): AsyncIterable<Measurement> {
  const { numExperts, topK, hiddenSize, expertIntermediateSize } = sizes
  const packed = packRandomSlab(expertShape(sizes, format))
  const most = layerRows.at(-1)!
  const name = `layer of ${numExperts} experts, ${topK} a token`
  yield* withTimedGpu(async function* (backend) {
    report(`opening ${name}, ${format}`)
    const { slabs } = openSlabPool(backend, packed, poolBytes, numExperts)
    const layers = Array.from({ length: Math.ceil(numExperts / topK) }, (_, l) =>
      Array.from({ length: numExperts }, (_, e) => slabs[(e + l * topK) % slabs.length]!),
    )
    const layer = createLayerRun(backend, layers, sizes, most)
    for (const numRows of layerRows) {
      signal.throwIfAborted()
      const what = `${name}, ${numRows} rows, ${format}`
      report(what)
      const hidden = skewedHidden(numRows, sizes, "uniform")
      layer.load(hidden)
      layer.run()
      requireNear(what, layer.output(), computeRightLayer(packed, sizes, hidden), SAME_NUMBERS[format])
      const { expertIds } = routingOf(hidden, numRows, sizes)
      const numChosen = new Set(expertIds.subarray(0, numRows * topK)).size
      const routerWeights = numExperts * hiddenSize
      const ops = 2 * numRows * (topK * 3 * hiddenSize * expertIntermediateSize + routerWeights)
      const bytes = numChosen * packed.layout.bytes + routerWeights * 4
      yield* asRates(timeCalls(backend, layer.run), { name, contender: format, at: numRows }, format, { ops, bytes })
    }
  })
}

function computeRightLayer(packed: PackedSlab, sizes: GpuSizes, hidden: Float32Array): Float32Array {
  const arena = createArena()
  const backend = createReferenceBackend(arena)
  const [slab] = openSlabPool(backend, packed, 1).slabs
  const experts = Array.from({ length: sizes.numExperts }, () => slab!)
  const layer: LayerRun = createLayerRun(backend, [experts], sizes, hidden.length / sizes.hiddenSize)
  layer.load(hidden)
  layer.run()
  const right = layer.output()
  arena.close()
  return right
}

/** Attention: sequences that decode, one row each, or a chunk of one sequence. */
async function* measureAttention(
  cacheFormat: CacheFormat,
  { sizes, rows, poolBytes, decodePast }: GpuRun,
  { signal, report }: SuiteOptions,
): AsyncIterable<Measurement> {
  for (const numRows of rows) {
    yield* withTimedGpu(async function* (backend) {
      signal.throwIfAborted()
      const isDecode = numRows <= MOST_SLOTS
      const name = isDecode ? `attention, sequences of ${decodePast}` : "attention, a prompt"
      const what = `${name}, ${numRows} rows, ${cacheFormat}`
      report(what)
      const slots = isDecode
        ? { numSlots: numRows, numRowsEach: 1, pastLength: decodePast }
        : { numSlots: 1, numRowsEach: numRows, pastLength: 0 }
      const one = { ...slots, cacheFormat, numCaches: slots.numSlots }
      const { ops, bytes } = countAttention(sizes, one)
      const numCaches = slots.numSlots * Math.max(1, Math.ceil(poolBytes / bytes))
      const { run, output } = createAttention(backend, sizes, { ...one, numCaches })
      run()
      requireNear(what, output, computeRightAttention(sizes, one), 1e-3)
      yield* asRates(timeCalls(backend, run), { name, contender: cacheFormat, at: numRows }, "f32", { ops, bytes })
    })
  }
}

function computeRightAttention(sizes: GpuSizes, work: AttentionWork): Float32Array {
  const arena = createArena()
  const { run, output } = createAttention(createReferenceBackend(arena), sizes, work)
  run()
  const right = output.slice()
  arena.close()
  return right
}

/** Turns milliseconds into operations a second (a multiply-add is two) and, for few rows, bytes a second of what must be read. */
function* asRates(
  samplesMs: readonly number[],
  common: Pick<Measurement, "name" | "contender" | "at">,
  format: Format,
  work: { readonly ops: number; readonly bytes: number },
): Iterable<Measurement> {
  const peak = format === "f32" ? "f32 peak" : "int8 peak"
  const rate = (perCall: number): number[] => samplesMs.map((ms) => perCall / (ms * 1e6))
  yield { ...common, unit: "GOPS", samples: rate(work.ops), comparedWith: [{ name: DEVICE, contender: peak }] }
  if (common.at! > MOST_ROWS_OF_BANDWIDTH) return
  yield { ...common, unit: "GB/s", samples: rate(work.bytes), comparedWith: [{ name: DEVICE, contender: "read" }] }
}
