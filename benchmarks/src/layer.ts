import { moeLayerPlain, type PlainExpert } from "@consilium/experts"
import { type Backend, createArena, type Format, packExpertSlab, planExpertSlab, type Slab } from "@consilium/kernels"
import { type BenchedBackend, createBackend } from "./createBackend.ts"
import { createLayerRun } from "./createLayerRun.ts"
import { type MoeShape, randomExperts, routingOf, skewedHidden, type Skew, SKEWS } from "./MoeProblem.ts"
import { openOrtMoe, type OrtMoeKind } from "./openOrtMoe.ts"
import { requireNear, SAME_NUMBERS } from "./relativeError.ts"
import { sampleTogether } from "./sampleTogether.ts"
import type { Suite, SuiteOptions } from "./Suite.ts"

const SHAPE: MoeShape = { hiddenSize: 768, expertIntermediateSize: 1024, numExperts: 8, topK: 2 }
const NUM_TOKENS = [1, 16, 64, 512]
const MAX_TOKENS = Math.max(...NUM_TOKENS)
const PLAIN = "plain loop"
const PEERS: Readonly<Record<Format, OrtMoeKind>> = { f32: "MoE f32", int8: "QMoE int8", int4: "QMoE int4" }
/** How far our layers, whose weights and rows are rounded, may be from the plain loop on weights that are not. */
const ROUNDED: Readonly<Record<Format, number>> = { f32: SAME_NUMBERS.f32, int8: 0.06, int4: 0.2 }
/** The plain backend is the plain loop grouped by expert: its other formats, and more tokens, show nothing more. */
const runsReference = (format: Format, numTokens: number): boolean => format === "f32" && numTokens <= 64

/** Someone who computes the layer. */
interface LayerContender {
  readonly name: string
  readonly comparedWith: readonly { readonly contender: string }[]
  /** Whether it takes part at this many tokens. */
  joins(numTokens: number): boolean
  /** Computes these tokens once, and returns `[T, H]`. */
  compute(hidden: Float32Array): Float32Array
  /** Returns a call that computes these tokens. */
  prepare(hidden: Float32Array): () => void
  /** What `compute` must come near: the weights that it has, and the bound. */
  readonly expected: { readonly experts: readonly PlainExpert[]; readonly bound: number }
  close(): void
}

/** Our layer against a plain loop over tokens and their experts, and against onnxruntime's operators for it. */
export const layer: Suite = {
  name: "layer",
  question:
    "How much faster is the layer than a plain loop over tokens and their experts, and than onnxruntime's MoE and QMoE (768 → 1024 → 768, 8 experts, 2 a token)?",
  takes: ["format", "backend"],
  compares: true,
  flags: [],
  plot: "bars",
  async *run(options) {
    const { signal, expect, report } = options
    const cases = NUM_TOKENS.flatMap((numTokens) =>
      SKEWS.filter((skew) => numTokens > 1 || skew === "uniform").map((skew) => ({ numTokens, skew })),
    )
    const contenders = openContenders(options)
    try {
      expect(cases.reduce((sum, { numTokens }) => sum + contenders.filter((c) => c.joins(numTokens)).length, 0))
      for (const contender of contenders) {
        report(`checking the numbers of ${contender.name}`)
        checkNumbers(contender)
      }
      for (const { numTokens, skew } of cases) {
        const name = nameOf(numTokens, skew)
        const hidden = skewedHidden(numTokens, SHAPE, skew)
        const here = contenders.filter((contender) => contender.joins(numTokens))
        const calls = here.map((contender) => ({ name: contender.name, run: contender.prepare(hidden) }))
        const samples = await sampleTogether(calls, { timeMs: 400, signal, onTurn: (who) => report(`${name}: ${who}`) })
        for (const { name: contender, comparedWith } of here) {
          yield { name, contender, unit: "ms", samples: samples.get(contender)!, comparedWith }
        }
      }
    } finally {
      for (const contender of contenders) contender.close()
    }
  },
}

function nameOf(numTokens: number, skew: Skew): string {
  const tokens = `${numTokens} token${numTokens === 1 ? "" : "s"}`
  return skew === "uniform" ? tokens : `${tokens}, ${skew}`
}

function openContenders({ formats, backends, numThreads, report }: SuiteOptions): readonly LayerContender[] {
  const experts = randomExperts(SHAPE)
  return [
    plainLoop(experts),
    ...formats.flatMap((format) => {
      report(`opening the layers in ${format}`)
      return [
        ortOperator(PEERS[format], experts, numThreads),
        ...backends.map((name) => ours(name, format, experts, numThreads)),
      ]
    }),
  ]
}

/** Fails where a contender computes something else: its time would mean nothing. */
function checkNumbers({ name, compute, expected }: LayerContender): void {
  const numTokens = 16
  const hidden = skewedHidden(numTokens, SHAPE, "Zipf")
  const right = new Float32Array(hidden.length)
  moeLayerPlain(right, hidden, routingOf(hidden, numTokens, SHAPE), expected.experts, { ...SHAPE, activation: "silu" })
  requireNear(name, compute(hidden), right, expected.bound)
}

function plainLoop(experts: readonly PlainExpert[]): LayerContender {
  const prepare = (hidden: Float32Array, out = new Float32Array(hidden.length)) => {
    const routing = routingOf(hidden, hidden.length / SHAPE.hiddenSize, SHAPE)
    return () => moeLayerPlain(out, hidden, routing, experts, { ...SHAPE, activation: "silu" })
  }
  return {
    name: PLAIN,
    comparedWith: [],
    joins: () => true,
    expected: { experts, bound: 0 },
    compute(hidden) {
      const out = new Float32Array(hidden.length)
      prepare(hidden, out)()
      return out
    },
    prepare,
    close: () => {},
  }
}

function ortOperator(kind: OrtMoeKind, experts: readonly PlainExpert[], numThreads: number): LayerContender {
  const operator = openOrtMoe(kind, experts, SHAPE, numThreads)
  const prepare = (hidden: Float32Array, out = new Float32Array(hidden.length)) => {
    const numTokens = hidden.length / SHAPE.hiddenSize
    return () => operator.run(out, hidden, numTokens)
  }
  return {
    name: `ORT ${kind}`,
    comparedWith: [{ contender: PLAIN }],
    joins: () => true,
    expected: { experts: operator.experts, bound: SAME_NUMBERS.f32 },
    compute(hidden) {
      const out = new Float32Array(hidden.length)
      prepare(hidden, out)()
      return out
    },
    prepare,
    close: operator.close,
  }
}

function ours(
  backendName: BenchedBackend,
  format: Format,
  experts: readonly PlainExpert[],
  numThreads: number,
): LayerContender {
  const arena = createArena()
  const backend = createBackend(backendName, arena, numThreads)
  const slabs = experts.map((expert) => openExpert(backend, expert, format))
  const run = createLayerRun(backend, [slabs], SHAPE, MAX_TOKENS)
  return {
    name: `${backendName} ${format}`,
    comparedWith: [{ contender: PLAIN }, { contender: `ORT ${PEERS[format]}` }],
    joins: (numTokens) => backendName !== "reference" || runsReference(format, numTokens),
    expected: { experts, bound: ROUNDED[format] },
    compute(hidden) {
      run.load(hidden)
      run.run()
      return run.output()
    },
    prepare(hidden) {
      run.load(hidden)
      return run.run
    },
    close() {
      backend.close()
      arena.close()
    },
  }
}

function openExpert(backend: Backend, expert: PlainExpert, format: Format): Slab {
  const { hiddenSize, expertIntermediateSize: intermediateSize } = SHAPE
  const kind = { activation: "silu", hasGateProj: true, hasBias: false } as const
  const layout = planExpertSlab({ format, hiddenSize, intermediateSize, ...kind })
  const span = backend.arena.allocate(layout.bytes)
  packExpertSlab(backend.arena.bytes(span), layout, expert)
  return backend.openSlab(span, layout)
}
