import { decodeTrace, type ExpertTrace } from "@consilium/scheduling"
import { readFileSync } from "node:fs"
import { basename } from "node:path"
import type { SuiteOptions } from "../Suite.ts"
import { QWEN3_EXPERT_BYTES } from "../qwen3Expert.ts"
import { generateTrace, type TraceStyle } from "./generateTrace.ts"
import { QUESTIONS } from "./questions.ts"
import { recordTrace } from "./recordTrace.ts"

/** A trace to replay. */
export interface PagedTrace {
  readonly name: string
  readonly trace: ExpertTrace
  /** Bytes that waking an expert reads. */
  readonly expertBytes: number
  /** Its routing is the last one's, and only its forecasts are others: policies that do not read ahead do as before. */
  readonly onlyForecasts: boolean
}

/** What one stream's decode is like, as far as it is published: docs/traces.md says by whom. */
export const GENERATED: TraceStyle = {
  numLayers: 12,
  numExperts: 128,
  topK: 8,
  numStreams: 1,
  numSteps: 2000,
  zipf: 0.5,
  reuse: 0.257,
  lookahead: 0.66,
  conversationLength: Infinity,
}

/** What other traces differ by. */
const STYLES: Readonly<Record<string, Partial<TraceStyle>>> = {
  "128 experts, lookahead 66 %": {},
  "128 experts, lookahead 88 %": { lookahead: 0.88 },
  "128 experts, topics change": { conversationLength: 256 },
  "128 experts, 4 streams": { numStreams: 4, numSteps: 1000 },
}
const SEED = 1
const MAX_TOKENS = 64

/** How many traces a run replays without a file of its own, and how many of them have new routing. */
export const NUM_TRACES = 1 + Object.keys(STYLES).length
export const NUM_ROUTINGS = 1 + Object.values(STYLES).filter((change) => !onlyForecasts(change)).length

function onlyForecasts(change: Partial<TraceStyle>): boolean {
  return Object.keys(change).join() === "lookahead"
}

/** Yields the traces: the one of a file alone where there is one, else the model's own and the generated ones. */
export async function* tracesOf(options: SuiteOptions): AsyncIterable<PagedTrace> {
  const { trace: path } = options.flags
  if (path !== undefined) {
    yield {
      name: basename(path),
      trace: decodeTrace(readFileSync(path)),
      expertBytes: QWEN3_EXPERT_BYTES,
      onlyForecasts: false,
    }
    return
  }
  options.report(`recording ${basename(options.modelDir)}`)
  const recorded = await recordTrace(options, QUESTIONS, MAX_TOKENS)
  const { numExperts, topK } = recorded.trace.header
  yield { name: `${basename(options.modelDir)}, ${topK} of ${numExperts}`, ...recorded, onlyForecasts: false }
  for (const [name, change] of Object.entries(STYLES)) {
    options.report(`generating ${name}`)
    const trace = generateTrace({ ...GENERATED, ...change }, SEED)
    yield { name, trace, expertBytes: QWEN3_EXPERT_BYTES, onlyForecasts: onlyForecasts(change) }
  }
}
