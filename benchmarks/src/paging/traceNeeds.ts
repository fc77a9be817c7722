import type { ExpertGrid, ExpertTrace } from "@consilium/scheduling"

/** A trace as a store of experts sees it. */
export interface TraceNeeds {
  readonly grid: ExpertGrid
  readonly numSteps: number
  /** Experts by index that turn `step * numLayers + layer` needs, each once. */
  readonly needed: readonly Int32Array[]
  /** Ids that were forecast for a turn, each once, those that many rows rank high first. */
  readonly forecasts: readonly Int32Array[]
}

/** Returns what each layer of each step needs, whichever row needs it. */
export function traceNeeds({ header, steps }: ExpertTrace): TraceNeeds {
  const { numLayers, numExperts, topK } = header
  const perTurn = (idsOf: (step: number) => Int16Array | undefined, offset: number): Int32Array[] =>
    steps.flatMap(({ numTokens }, step) =>
      Array.from({ length: numLayers }, (_, layer) => {
        const size = numTokens * topK
        const ids = idsOf(step)?.subarray(layer * size, (layer + 1) * size) ?? new Int16Array(0)
        return uniqueByRank(ids, topK).map((id) => id + offset * layer)
      }),
    )
  return {
    grid: { numLayers, numExperts },
    numSteps: steps.length,
    needed: perTurn((step) => steps[step]!.expertIds, numExperts),
    forecasts: perTurn((step) => steps[step]!.forecastIds, 0),
  }
}

/** Returns the ids of some rows, first all that rank first. */
function uniqueByRank(ids: Int16Array, topK: number): Int32Array {
  const unique = new Set<number>()
  for (let k = 0; k < topK; k++) for (let i = k; i < ids.length; i += topK) if (ids[i]! >= 0) unique.add(ids[i]!)
  return Int32Array.from(unique)
}
