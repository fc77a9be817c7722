import type { ExpertLayer, ExpertTable } from "./ExpertTable.ts"

/** How busy each instance is. */
export interface ExpertLoad {
  /** `[numInstances]` milliseconds since 1970 at which it was last used; 0 = never. */
  readonly usedMs: Float64Array
  /** `[numInstances]` assignments since the start. */
  readonly numTokens: Float64Array
  /** Takes in how a layer's rows are shared out, CSR offsets. Allocates nothing. */
  observe(layer: ExpertLayer, offsets: Int32Array): void
  /** Returns an instance's tokens a second, an average that forgets with time. */
  tokensPerSec(instance: number): number
  /** Returns the largest load of a layer over the mean of its experts; 1 where nothing ran. */
  imbalance(layer: ExpertLayer): number
}

/** After so long what was counted weighs e times less. */
const MEMORY_MS = 60_000

export function createExpertLoad({ numInstances }: ExpertTable, nowMs: () => number): ExpertLoad {
  const usedMs = new Float64Array(numInstances)
  const numTokens = new Float64Array(numInstances)
  /** Tokens, each weighed by its age, as of `usedMs`. */
  const recent = new Float64Array(numInstances)

  const tokensPerSec = (instance: number): number =>
    (recent[instance]! * Math.exp((usedMs[instance]! - nowMs()) / MEMORY_MS) * 1000) / MEMORY_MS

  return {
    usedMs,
    numTokens,
    observe({ first, numInstances: count }, offsets) {
      const now = nowMs()
      for (let e = 0; e < count; e++) {
        const numRows = offsets[e + 1]! - offsets[e]!
        if (numRows === 0) continue
        const instance = first + e
        recent[instance] = recent[instance]! * Math.exp((usedMs[instance]! - now) / MEMORY_MS) + numRows
        numTokens[instance]! += numRows
        usedMs[instance] = now
      }
    },
    tokensPerSec,
    imbalance({ first, numExperts }) {
      let sum = 0
      let most = 0
      for (let e = 0; e < numExperts; e++) {
        const load = tokensPerSec(first + e)
        sum += load
        most = Math.max(most, load)
      }
      return sum === 0 ? 1 : (most * numExperts) / sum
    },
  }
}
