import {
  createEvictionPolicy,
  DEFAULT_EVICTION,
  EVICTION_NAMES,
  encodeTrace,
  type EvictionPolicy,
} from "@consilium/scheduling"
import { writeFileSync } from "node:fs"
import { basename } from "node:path"
import { createBelady } from "./paging/createBelady.ts"
import { measureTrace } from "./paging/measureTrace.ts"
import { type Foresight, type Replay, replayNeeds } from "./paging/replayNeeds.ts"
import { NUM_ROUTINGS, NUM_TRACES, type PagedTrace, tracesOf } from "./paging/tracesOf.ts"
import { type TraceNeeds, traceNeeds } from "./paging/traceNeeds.ts"
import type { Measurement, Suite } from "./Suite.ts"
import { readable } from "./summarise.ts"

/** Frames, as parts of all experts in per cent. */
const SHARES = [10, 20, 40, 60]
const BELADY = "Belady"
const FORESIGHTS: readonly Foresight[] = ["none", "previous", "lookahead"]

/** What is replayed on a trace: a policy by its name, or another contender's, which may read ahead. */
interface Contender {
  readonly name: string
  readonly createPolicy: (needs: TraceNeeds) => EvictionPolicy
  readonly foresight: Foresight
}

const POLICIES: readonly Contender[] = [
  { name: BELADY, createPolicy: createBelady, foresight: "none" },
  ...EVICTION_NAMES.map((name) => contenderOf(name, "none")),
]
const READERS: readonly Contender[] = FORESIGHTS.map((foresight) => contenderOf(DEFAULT_EVICTION, foresight))

function contenderOf(eviction: (typeof EVICTION_NAMES)[number], foresight: Foresight): Contender {
  const name = foresight === "none" ? eviction : `${eviction}, reads ahead: ${foresight}`
  return { name, createPolicy: ({ grid }) => createEvictionPolicy(eviction, grid), foresight }
}

/** Which experts to keep awake: eviction policies against Belady's optimum, and what reading ahead brings and costs. */
export const paging: Suite = {
  name: "paging",
  question:
    "With frames for some of the experts, how many of the needed ones are awake under each eviction policy, of as many as if the future were known, and what does reading ahead add?",
  takes: ["model", "format", "backend"],
  compares: false,
  flags: [
    { name: "trace", value: "<file>", purpose: "replay this trace alone (docs/traces.md)" },
    { name: "save", value: "<file>", purpose: "keep the trace that is recorded of the model" },
  ],
  plot: "lines",
  axis: "% of experts",
  isForeign: ({ trace }) => trace !== undefined,
  variant: ({ flags: { trace } }) => (trace === undefined ? undefined : basename(trace)),
  async *run(options) {
    const { flags, signal, report, expect } = options
    const [numTraces, numRoutings] = flags.trace === undefined ? [NUM_TRACES, NUM_ROUTINGS] : [1, 1]
    const numPolicies = numRoutings * POLICIES.length + (numTraces - numRoutings)
    expect(3 * numTraces + SHARES.length * (numPolicies + numTraces * (2 * READERS.length - 1) + numRoutings))
    let isFirst = true
    for await (const paged of tracesOf(options)) {
      if (isFirst && flags.save !== undefined) writeFileSync(flags.save, encodeTrace(paged.trace))
      isFirst = false
      yield* describeTrace(paged)
      const needs = traceNeeds(paged.trace)
      for (const at of SHARES) {
        // Replays block this thread: let Ctrl-C in.
        await Bun.sleep(0)
        signal.throwIfAborted()
        report(`${paged.name}: frames for ${at} % of the experts`)
        yield* measureShare(paged, needs, at)
      }
    }
  },
}

function* describeTrace({ name, trace }: PagedTrace): Iterable<Measurement> {
  const { reuse, lookahead, topTenth } = measureTrace(trace)
  const asShare = (what: string, value: number): Measurement => ({
    name: `${name}: ${what}`,
    unit: "%",
    samples: [100 * value],
  })
  yield asShare("experts that the last token used too", reuse)
  yield asShare("experts that were forecast", lookahead)
  yield asShare("uses of the most used tenth", topTenth)
}

function* measureShare(paged: PagedTrace, needs: TraceNeeds, at: number): Iterable<Measurement> {
  const { name, trace, expertBytes, onlyForecasts } = paged
  const { numLayers, numExperts, topK } = trace.header
  const numFrames = Math.round((at / 100) * numLayers * numExperts)
  const replay = ({ createPolicy, foresight }: Contender): Replay =>
    replayNeeds(needs, { numFrames, policy: createPolicy(needs), foresight, maxReads: topK })
  const hits = ({ numHits, numNeeded }: Replay): number => (100 * numHits) / numNeeded

  for (const policy of POLICIES) {
    if (onlyForecasts && policy.name !== BELADY) continue
    const comparedWith = policy.name === BELADY ? [] : [{ contender: BELADY }]
    const started = performance.now()
    const result = replay(policy)
    const ms = (performance.now() - started) / needs.needed.length
    yield { name, contender: policy.name, unit: "%", at, samples: [hits(result)], comparedWith }
    if (policy.name !== DEFAULT_EVICTION) continue
    yield { name: `${name}: plan a layer`, contender: policy.name, unit: "ms", at, samples: [ms] }
  }
  for (const reader of READERS) {
    const result = replay(reader)
    const { numNeeded, numHits, numReadAhead } = result
    if (reader.foresight !== "none") {
      const common = { name, contender: reader.name, at, comparedWith: [{ contender: BELADY }] }
      yield { ...common, unit: "%", samples: [hits(result)], note: noteUse(result) }
    }
    const numReads = numNeeded - numHits + numReadAhead
    const mib = (numReads * expertBytes) / 2 ** 20 / needs.numSteps
    yield { name: `${name}: read a step`, contender: reader.name, unit: "MiB", at, samples: [mib] }
  }
}

function noteUse({ numReadAhead, numUsed }: Replay): string {
  return numReadAhead === 0
    ? "nothing read ahead"
    : `${readable((100 * numUsed) / numReadAhead)} % of what was read ahead used`
}
