import { type Backend, createArena, type Format, type Slab } from "@consilium/kernels"
import { type BenchedBackend, createBackend } from "./createBackend.ts"
import { createLayerRun, type LayerRun } from "./createLayerRun.ts"
import { type MoeShape, routingOf, skewedHidden } from "./MoeProblem.ts"
import { openSlabPool, packRandomSlab, type PackedSlab } from "./openSlabPool.ts"
import { requireNear, SAME_NUMBERS } from "./relativeError.ts"
import { sampleTogether } from "./sampleTogether.ts"
import type { Measurement, Suite, SuiteOptions } from "./Suite.ts"
import { readable, summarise } from "./summarise.ts"

/** Experts of Qwen3-30B-A3B's size, fewer of them, so that the dense network of them all fits one slab in f32. */
const SHAPE: MoeShape = { hiddenSize: 2048, expertIntermediateSize: 768, numExperts: 32, topK: 4 }
/** One row waits for weights, 512 for arithmetic: both need k of N. 16 rows wait for weights, and choose nearly all experts between them. */
const WORK = [
  { name: "decode, 1 row", numRows: 1, hasIdeal: true },
  { name: "decode, 16 rows", numRows: 16, hasIdeal: false },
  { name: "prefill, 512 rows", numRows: 512, hasIdeal: true },
] as const
type Work = (typeof WORK)[number]
const MAX_ROWS = 512
/** Copies of each network take turns, and are together larger than any cache: weights come from memory. */
const POOL_BYTES = 512 * 2 ** 20
/** Plain loops would take minutes for more. */
const MOST_ROWS_OF_REFERENCE = 1

/** A layer's networks, packed in one format: an expert, and dense ones of all experts' and of the chosen ones' weights. */
interface PackedNetworks {
  readonly expert: PackedSlab
  readonly denseOfAll: PackedSlab
  readonly denseOfActive: PackedSlab
}

/** A layer of experts against dense networks of as many weights in all, and of as many weights a token. */
export const sparse: Suite = {
  name: "sparse",
  question:
    "How much of the ideal N/k does a layer of 32 experts, 4 a token, save over a dense network of the same total size (2048 → 768 → 2048 each)?",
  takes: ["format", "backend"],
  compares: true,
  flags: [],
  plot: "bars",
  async *run(options) {
    const { formats, backends, expect, report } = options
    const numYielded = (work: readonly Work[]): number =>
      work.reduce((sum, { hasIdeal }) => sum + (hasIdeal ? 4 : 3), 0)
    expect(formats.length * backends.reduce((sum, name) => sum + numYielded(workOf(name)), 0))
    for (const format of formats) {
      report(`packing ${format}`)
      const packed = packNetworks(format)
      for (const name of backends) yield* measureBackend(name, format, packed, options)
    }
  },
}

function workOf(backend: BenchedBackend): readonly Work[] {
  return backend === "reference" ? WORK.filter(({ numRows }) => numRows <= MOST_ROWS_OF_REFERENCE) : WORK
}

function packNetworks(format: Format): PackedNetworks {
  const { hiddenSize, expertIntermediateSize, numExperts, topK } = SHAPE
  const pack = (numJoined: number): PackedSlab =>
    packRandomSlab({
      kind: "expert",
      format,
      hiddenSize,
      intermediateSize: numJoined * expertIntermediateSize,
      activation: "silu",
      hasGateProj: true,
      hasBias: false,
    })
  return { expert: pack(1), denseOfAll: pack(numExperts), denseOfActive: pack(topK) }
}

async function* measureBackend(
  name: BenchedBackend,
  format: Format,
  packed: PackedNetworks,
  { numThreads, signal, report }: SuiteOptions,
): AsyncIterable<Measurement> {
  const who = `${name} ${format}`
  const arena = createArena()
  const backend = createBackend(name, arena, numThreads)
  try {
    report(`opening ${who}`)
    const networks = openNetworks(backend, packed)
    for (const { name: work, numRows, hasIdeal } of workOf(name)) {
      const hidden = skewedHidden(numRows, SHAPE, "uniform")
      const numChosen = new Set(routingOf(hidden, numRows, SHAPE).expertIds).size
      for (const network of networks) {
        report(`checking the numbers of ${who}, ${network.name}`)
        checkNumbers(`${work}: ${who}, ${network.name}`, network, hidden)
      }
      const onTurn = (turn: string): void => report(`${work}: ${who}, ${turn}`)
      const samples = await sampleTogether(networks, { timeMs: 600, signal, onTurn })
      for (const [network, ms] of samples) yield asTime(work, who, network, ms, numChosen)
      if (hasIdeal) yield asSaving(work, who, samples)
    }
  } finally {
    backend.close()
    arena.close()
  }
}

const EXPERTS = "experts"
const DENSE_OF_ALL = "dense of all"
const DENSE_OF_ACTIVE = "dense of the active"

/** A network whose copies take turns, and what one copy is; of the layer of experts, one expert. */
interface Network extends LayerRun {
  readonly name: string
  readonly packed: PackedSlab
}

function openNetworks(backend: Backend, { expert, denseOfAll, denseOfActive }: PackedNetworks): readonly Network[] {
  const { numExperts, topK } = SHAPE
  // All are copies of one, so that one expert is the reference of any choice.
  const experts = openSlabPool(backend, expert, POOL_BYTES, numExperts).slabs
  // A row always chooses the same experts: each layer gives them other copies, or they would come from the cache after the first call.
  const layers = Array.from({ length: experts.length / topK }, (_, l) =>
    Array.from({ length: numExperts }, (_, e) => experts[(l * topK + e) % experts.length]!),
  )
  const dense = (packed: PackedSlab): LayerRun =>
    createDenseRun(backend, openSlabPool(backend, packed, POOL_BYTES).slabs)
  return [
    { name: EXPERTS, packed: expert, ...createLayerRun(backend, layers, SHAPE, MAX_ROWS) },
    { name: DENSE_OF_ALL, packed: denseOfAll, ...dense(denseOfAll) },
    { name: DENSE_OF_ACTIVE, packed: denseOfActive, ...dense(denseOfActive) },
  ]
}

/** Checks a network's first row against the reference: rows do not depend on each other. */
function checkNumbers(who: string, { packed, load, run, output }: Network, hidden: Float32Array): void {
  const arena = createArena()
  const reference = createBackend("reference", arena, 1)
  const right = createDenseRun(reference, openSlabPool(reference, packed, 1).slabs)
  const firstRow = hidden.subarray(0, SHAPE.hiddenSize)
  right.load(firstRow)
  right.run()
  load(hidden)
  run()
  requireNear(who, output().subarray(0, SHAPE.hiddenSize), right.output(), SAME_NUMBERS[packed.layout.format])
  arena.close()
}

/** Returns runs of a dense network, whose copies take turns. */
function createDenseRun(backend: Backend, slabs: readonly Slab[]): LayerRun {
  const input = backend.arena.rows(MAX_ROWS, SHAPE.hiddenSize)
  const out = backend.arena.rows(MAX_ROWS, SHAPE.hiddenSize)
  let numRows = 0
  let next = 0
  return {
    load(hidden) {
      numRows = hidden.length / SHAPE.hiddenSize
      input.values.set(hidden)
    },
    run() {
      backend.expert(out, input, 0, numRows, slabs[next]!)
      next = (next + 1) % slabs.length
    },
    output: () => out.values.slice(0, numRows * SHAPE.hiddenSize),
  }
}

function asTime(
  work: string,
  who: string,
  network: string,
  samples: readonly number[],
  numChosen: number,
): Measurement {
  const common = { name: work, contender: `${who}, ${network}`, unit: "ms", samples } as const
  if (network !== EXPERTS) return common
  const comparedWith = [DENSE_OF_ALL, DENSE_OF_ACTIVE].map((other) => ({ contender: `${who}, ${other}` }))
  return { ...common, comparedWith, note: `${numChosen} of ${SHAPE.numExperts} experts chosen` }
}

/** The time saved over the dense network of all, as a share of N/k. */
function asSaving(work: string, who: string, samples: ReadonlyMap<string, readonly number[]>): Measurement {
  const median = (network: string): number => summarise(samples.get(network)!).median
  const saving = median(DENSE_OF_ALL) / median(EXPERTS)
  const ideal = SHAPE.numExperts / SHAPE.topK
  const note = `${readable(saving)}× of ${readable(ideal)}×`
  return { name: `${work}: of the ideal N/k`, contender: who, unit: "%", samples: [(100 * saving) / ideal], note }
}
