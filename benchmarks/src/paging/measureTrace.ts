import type { ExpertTrace } from "@consilium/scheduling"

/** What a trace is like, as published figures say it. */
export interface TraceFigures {
  /** Share of a token's experts that the token before it, in the same place of the step before, used in the same layer. */
  readonly reuse: number
  /** Share of a token's experts that were forecast, of layers that have forecasts; NaN where none has. */
  readonly lookahead: number
  /** Share of all uses that go to the most used tenth of each layer's experts. */
  readonly topTenth: number
}

/** Measures a trace. Steps of as many tokens as the one before are taken for the same sequences, one token on. */
export function measureTrace({ header, steps }: ExpertTrace): TraceFigures {
  const { numLayers, numExperts, topK } = header
  const uses = new Float64Array(numLayers * numExperts)
  let [numReused, numFollowing, numForecast, numWithForecast] = [0, 0, 0, 0]
  for (const [s, step] of steps.entries()) {
    const before = steps[s - 1]
    const follows = before?.numTokens === step.numTokens
    for (let first = 0; first < step.expertIds.length; first += topK) {
      const row = (ids: Int16Array): Int16Array => ids.subarray(first, first + topK)
      const layer = Math.floor(first / topK / step.numTokens)
      const ids = row(step.expertIds)
      for (const id of ids) if (id >= 0) uses[layer * numExperts + id]!++
      if (follows) {
        numFollowing += topK
        numReused += countShared(ids, row(before.expertIds))
      }
      if (step.forecastIds === undefined || row(step.forecastIds)[0] === -1) continue
      numWithForecast += topK
      numForecast += countShared(ids, row(step.forecastIds))
    }
  }
  return {
    reuse: numReused / numFollowing,
    lookahead: numForecast / numWithForecast,
    topTenth: shareOfTopTenth(uses, numExperts),
  }
}

function countShared(ids: Int16Array, others: Int16Array): number {
  let n = 0
  for (const id of ids) if (id >= 0 && others.includes(id)) n++
  return n
}

function shareOfTopTenth(uses: Float64Array, numExperts: number): number {
  const numTop = Math.max(1, Math.round(numExperts / 10))
  let top = 0
  for (let first = 0; first < uses.length; first += numExperts) {
    const sorted = uses.slice(first, first + numExperts).sort()
    for (const count of sorted.subarray(numExperts - numTop)) top += count
  }
  return top / uses.reduce((sum, count) => sum + count, 0)
}
