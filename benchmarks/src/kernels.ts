import { createArena, type Format } from "@consilium/kernels"
import { type BenchedBackend, createBackend } from "./createBackend.ts"
import { computeRight, createProduct, repeatRows } from "./createProduct.ts"
import { measureLimits } from "./measureLimits.ts"
import { openSlabPool, packRandomSlab, type PackedSlab, type PoolShape } from "./openSlabPool.ts"
import { requireNear, SAME_NUMBERS } from "./relativeError.ts"
import { sampleTogether } from "./sampleTogether.ts"
import type { Measurement, Suite, SuiteOptions } from "./Suite.ts"

const ROWS = [1, 2, 4, 8, 32, 128, 512]
/** Few rows wait for the weights, many for the arithmetic: past these, bytes a second say nothing. */
const MOST_ROWS_OF_BANDWIDTH = 8
/** Plain loops take the same time for each row: more rows show nothing more. */
const MOST_ROWS_OF_REFERENCE = 8
/** Copies of the weights take turns, and are together larger than any cache: weights come from memory, as in a model's layers. */
const POOL_BYTES = 512 * 2 ** 20

const SWIGLU = { activation: "silu", hasGateProj: true, hasBias: false } as const
const SHAPES = [
  { name: "expert 2048 → 768 → 2048", kind: "expert", hiddenSize: 2048, intermediateSize: 768, ...SWIGLU },
  { name: "matrix 2048 → 4096", kind: "matrix", numRows: 4096, numColumns: 2048, hasBias: false },
] as const
type NamedShape = (typeof SHAPES)[number]

const MACHINE = "this machine"

/** The backends' products against the machine's limits. */
export const kernels: Suite = {
  name: "kernels",
  question:
    "How near do products of 1 to 512 rows come to the limits of the machine, for an expert and a dense matrix whose weights lie in memory, not in a cache?",
  takes: ["format", "backend"],
  compares: true,
  flags: [],
  plot: "lines",
  axis: "rows",
  async *run(options) {
    const { formats, backends, numThreads, expect, report } = options
    const limits = measureLimits(numThreads)
    const cases = SHAPES.flatMap((shape) =>
      formats.flatMap((format) => backends.map((backend) => ({ shape, format, backend, rows: rowsOf(backend) }))),
    )
    const numBandwidths = (rows: readonly number[]): number => rows.filter((m) => m <= MOST_ROWS_OF_BANDWIDTH).length
    expect(cases.reduce((sum, { rows }) => sum + rows.length + numBandwidths(rows), limits === undefined ? 0 : 4))

    report("this machine's limits")
    if (limits !== undefined) {
      const { readOneThread, readAllThreads, int8Gops, f32Gops } = limits
      yield { name: MACHINE, contender: "read, 1 thread", unit: "GB/s", samples: readOneThread }
      yield { name: MACHINE, contender: readers(numThreads), unit: "GB/s", samples: readAllThreads }
      yield { name: MACHINE, contender: "int8 peak", unit: "GOPS", samples: int8Gops }
      yield { name: MACHINE, contender: "f32 peak", unit: "GOPS", samples: f32Gops }
    }
    for (const shape of SHAPES) {
      for (const format of formats) {
        report(`packing ${shape.name}, ${format}`)
        const packed = packRandomSlab({ ...shape, format } as PoolShape)
        const right = computeRight(shape, packed)
        for (const name of backends) yield* measureBackend(name, { shape, format, packed, right }, options)
      }
    }
  },
}

function rowsOf(backend: BenchedBackend): readonly number[] {
  return backend === "reference" ? ROWS.filter((m) => m <= MOST_ROWS_OF_REFERENCE) : ROWS
}

const readers = (numThreads: number): string => `read, ${numThreads} threads`

/** What every backend is measured on. */
interface Problem {
  readonly shape: NamedShape
  readonly format: Format
  readonly packed: PackedSlab
  /** What each kind of row gives. */
  readonly right: Float32Array
}

async function* measureBackend(
  name: BenchedBackend,
  { shape, format, packed, right }: Problem,
  { numThreads, signal, report }: SuiteOptions,
): AsyncIterable<Measurement> {
  const contender = `${name} ${format}`
  const arena = createArena()
  try {
    const backend = createBackend(name, arena, numThreads)
    report(`opening ${shape.name}, ${contender}`)
    const pool = openSlabPool(backend, packed, POOL_BYTES)
    try {
      for (const numRows of rowsOf(name)) {
        const what = `${shape.name}, ${numRows} rows, ${contender}`
        const { run, output } = createProduct(backend, pool.slabs, shape, numRows)
        run()
        requireNear(what, output, repeatRows(right, numRows), SAME_NUMBERS[format])
        const onTurn = (): void => report(what)
        const samples = await sampleTogether([{ name: contender, run }], { timeMs: 400, signal, onTurn })
        yield* asRates(samples.get(contender)!, {
          shape,
          format,
          contender,
          numRows,
          numThreads,
          slabBytes: pool.slabBytes,
        })
      }
    } finally {
      pool.close()
      backend.close()
    }
  } finally {
    arena.close()
  }
}

interface RateContext {
  readonly shape: NamedShape
  readonly format: Format
  readonly contender: string
  readonly numRows: number
  readonly numThreads: number
  readonly slabBytes: number
}

/** Turns milliseconds into operations a second (a multiply-add is two) and, for few rows, bytes of weights a second. */
function* asRates(samplesMs: readonly number[], context: RateContext): Iterable<Measurement> {
  const { shape, format, contender, numRows, numThreads, slabBytes } = context
  const numWeights =
    shape.kind === "expert" ? 3 * shape.hiddenSize * shape.intermediateSize : shape.numRows * shape.numColumns
  const peak = format === "f32" ? "f32 peak" : "int8 peak"
  const rate = (perCall: number): number[] => samplesMs.map((ms) => perCall / (ms * 1e6))
  const common = { name: shape.name, contender, at: numRows }
  yield {
    ...common,
    unit: "GOPS",
    samples: rate(2 * numWeights * numRows),
    comparedWith: [{ name: MACHINE, contender: peak }],
  }
  if (numRows > MOST_ROWS_OF_BANDWIDTH) return
  yield {
    ...common,
    unit: "GB/s",
    samples: rate(slabBytes),
    comparedWith: [{ name: MACHINE, contender: readers(numThreads) }],
  }
}
