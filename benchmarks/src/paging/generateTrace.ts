import type { ExpertTrace, TraceStep } from "@consilium/scheduling"
import { createRandom } from "@consilium/tensor"
import { shuffle } from "../shuffle.ts"
import { measureTrace } from "./measureTrace.ts"

/** What a generated trace is like. */
export interface TraceStyle {
  readonly numLayers: number
  readonly numExperts: number
  readonly topK: number
  /** Sequences that decode together: tokens of each step. */
  readonly numStreams: number
  readonly numSteps: number
  /** Expert of rank r is drawn with weight r^-zipf; each layer has an order of its own. */
  readonly zipf: number
  /** Share of a token's experts that its predecessor used too, measured. */
  readonly reuse: number
  /** Share of a token's experts that were forecast one layer earlier. */
  readonly lookahead: number
  /** Tokens after which a sequence ends and another begins, which has an order of its own as well. */
  readonly conversationLength: number
}

/** How near to the wanted reuse the solver stops; a trial is this many steps. */
const TRIALS = { count: 14, numSteps: 400 }

/**
 * Generates the routing of sequences that decode: each keeps some of the experts of its last token (Markov), and draws the others by popularity (Zipf).
 *
 * How many are kept is solved so that the share that is used again, by chance or not, is what the style asks for. Seeded: the same for everybody.
 *
 * @throws Error where popularity alone brings more reuse than asked for
 */
export function generateTrace(style: TraceStyle, seed: number): ExpertTrace {
  const { numLayers, numExperts, topK } = style
  const model = `generated: zipf ${style.zipf}, reuse ${style.reuse}, lookahead ${style.lookahead}`
  const header = { model, numLayers, numExperts, topK, hasForecasts: true }
  const persistence = solvePersistence(style, seed)
  return { header, steps: drawSteps(style, persistence, seed) }
}

function solvePersistence(style: TraceStyle, seed: number): number {
  const numSteps = Math.min(style.numSteps, TRIALS.numSteps)
  const reuseOf = (persistence: number): number => {
    const { numLayers, numExperts, topK } = style
    const header = { model: "trial", numLayers, numExperts, topK, hasForecasts: true }
    return measureTrace({ header, steps: drawSteps({ ...style, numSteps }, persistence, seed) }).reuse
  }
  const least = reuseOf(0)
  if (least > style.reuse)
    throw new Error(`zipf ${style.zipf} alone brings a reuse of ${least.toFixed(3)}: expected less than ${style.reuse}`)
  let [low, high] = [0, 1]
  for (let trial = 0; trial < TRIALS.count; trial++) {
    const middle = (low + high) / 2
    if (reuseOf(middle) < style.reuse) low = middle
    else high = middle
  }
  return low
}

function drawSteps(style: TraceStyle, persistence: number, seed: number): TraceStep[] {
  const { numLayers, numExperts, topK, numStreams, numSteps, lookahead } = style
  const random = createRandom(seed)
  const draw = createDraw(numExperts, random)
  const layers = Array.from({ length: numLayers }, () => logPopularity(style, random))
  const streams = Array.from({ length: numStreams }, () =>
    layers.map((popularity) => ({ popularity, last: [] as number[] })),
  )
  return Array.from({ length: numSteps }, (_, step): TraceStep => {
    const expertIds = new Int16Array(numLayers * numStreams * topK)
    const forecastIds = new Int16Array(expertIds.length).fill(-1)
    for (const [s, stream] of streams.entries()) {
      const isNew = style.conversationLength < Infinity && step % style.conversationLength === 0
      for (const [layer, state] of stream.entries()) {
        if (isNew) {
          state.popularity = mix(layers[layer]!, logPopularity(style, random))
          state.last = []
        }
        const kept = state.last.filter(() => random() < persistence)
        const ids = draw(kept, [], topK, state.popularity)
        const at = (layer * numStreams + s) * topK
        expertIds.set(ids, at)
        const wrong = draw([], ids, topK, state.popularity)
        const forecast = ids.map((id, k) => (random() < lookahead ? id : wrong[k]!))
        if (layer > 0) forecastIds.set(forecast, at)
        state.last = ids
      }
    }
    return { numTokens: numStreams, expertIds, forecastIds }
  })
}

/** Returns the logs of Zipf's weights in a random order. */
function logPopularity({ numExperts, zipf }: TraceStyle, random: () => number): Float64Array {
  return shuffle(
    Float64Array.from({ length: numExperts }, (_, rank) => -zipf * Math.log(rank + 1)),
    random,
  )
}

/** Half of the draws follow the model's popularity, half the conversation's. */
function mix(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((log, e) => Math.log((Math.exp(log) + Math.exp(b[e]!)) / 2))
}

type Draw = (kept: readonly number[], without: readonly number[], count: number, logs: Float64Array) => number[]

/**
 * Returns a draw by weight without replacement, to fill up `kept` to `count`: the largest of log weight plus Gumbel noise.
 *
 * @see Kool et al., "Stochastic Beams and Where to Find Them", arXiv:1903.06059
 */
function createDraw(numExperts: number, random: () => number): Draw {
  const keys = new Float64Array(numExperts)
  return (kept, without, count, logs) => {
    const drawn = [...kept]
    if (drawn.length >= count) return drawn.slice(0, count)
    for (let e = 0; e < numExperts; e++) keys[e] = logs[e]! - Math.log(-Math.log(random() + 1e-12))
    for (const e of [...kept, ...without]) keys[e] = -Infinity
    while (drawn.length < count) {
      let best = 0
      for (let e = 1; e < numExperts; e++) if (keys[e]! > keys[best]!) best = e
      drawn.push(best)
      keys[best] = -Infinity
    }
    return drawn
  }
}
