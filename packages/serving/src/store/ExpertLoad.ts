import type { Slab } from "@consilium/kernels"
import { expertWork } from "@consilium/scheduling"
import type { ExpertLayer, ExpertTable } from "./ExpertTable.ts"

/** How busy each instance is: by tokens, and by the time that computing it takes. */
export interface ExpertLoad {
  /** `[numInstances]` milliseconds since 1970 at which it was last used; 0 = never. */
  readonly usedMs: Float64Array
  /** `[numInstances]` assignments since the start. */
  readonly numTokens: Float64Array
  /** Takes in how a layer's rows are shared out, CSR offsets. Allocates nothing. */
  observe(layer: ExpertLayer, offsets: Int32Array): void
  /** Notes when experts of the layer observed last begin to compute: waiting for reads is no work of theirs. */
  beginTurn(): void
  /**
   * Shares the time since then out over the experts of the turn. Allocates nothing.
   *
   * They compute together, on all threads, so none is measured alone. Each is charged with reading its weights, once and as many bytes as any other of
   * its layer, and with its rows: `expertWork`.
   */
  endTurn(layer: ExpertLayer, ready: readonly (Slab | undefined)[], offsets: Int32Array): void
  /** Returns an instance's tokens a second, an average that forgets with time. */
  tokensPerSec(instance: number): number
  /** Returns an instance's `expertWork` a second, averaged likewise: what it costs wherever it runs. */
  workPerSec(instance: number): number
  /** Returns which share of the time goes into computing an instance, averaged likewise. */
  timeShare(instance: number): number
  /** Returns the largest load of a layer over the mean of its experts, versions counted with their expert: the worst layer's; 1 where nothing ran. */
  worstImbalance(): number
}

/** After so long what was counted weighs e times less. */
const MEMORY_MS = 60_000

/** @param clockMs measures time, in fractions of a millisecond */
export function createExpertLoad(
  { numInstances, layers, expertIds }: ExpertTable,
  nowMs: () => number,
  clockMs: () => number = () => performance.now(),
): ExpertLoad {
  const usedMs = new Float64Array(numInstances)
  const numTokens = new Float64Array(numInstances)
  /** Tokens, milliseconds and work, each weighed by its age, as of `usedMs`. */
  const recent = new Float64Array(numInstances)
  const recentMs = new Float64Array(numInstances)
  const recentWork = new Float64Array(numInstances)
  let begunMs = 0

  const weight = (instance: number, atMs: number): number => Math.exp((usedMs[instance]! - atMs) / MEMORY_MS)
  const tokensPerSec = (instance: number): number => (recent[instance]! * weight(instance, nowMs()) * 1000) / MEMORY_MS

  const imbalance = ({ first, numExperts, numInstances: count }: ExpertLayer): number => {
    const loads = new Float64Array(numExperts)
    for (let i = first; i < first + count; i++) loads[expertIds[i]!]! += tokensPerSec(i)
    const sum = loads.reduce((total, load) => total + load, 0)
    return sum === 0 ? 1 : (Math.max(...loads) * numExperts) / sum
  }

  return {
    usedMs,
    numTokens,
    observe({ first, numInstances: count }, offsets) {
      const now = nowMs()
      for (let e = 0; e < count; e++) {
        const numRows = offsets[e + 1]! - offsets[e]!
        if (numRows === 0) continue
        const instance = first + e
        const kept = weight(instance, now)
        recent[instance] = recent[instance]! * kept + numRows
        recentWork[instance] = recentWork[instance]! * kept + expertWork(numRows)
        recentMs[instance]! *= kept
        numTokens[instance]! += numRows
        usedMs[instance] = now
      }
    },
    beginTurn() {
      begunMs = clockMs()
    },
    endTurn({ first }, ready, offsets) {
      let cost = 0
      for (let e = 0; e < ready.length; e++)
        if (ready[e] !== undefined) cost += expertWork(offsets[e + 1]! - offsets[e]!)
      const msPerCost = (clockMs() - begunMs) / cost
      for (let e = 0; e < ready.length; e++)
        if (ready[e] !== undefined) recentMs[first + e]! += expertWork(offsets[e + 1]! - offsets[e]!) * msPerCost
    },
    tokensPerSec,
    workPerSec: (instance) => (recentWork[instance]! * weight(instance, nowMs()) * 1000) / MEMORY_MS,
    timeShare: (instance) => (recentMs[instance]! * weight(instance, nowMs())) / MEMORY_MS,
    worstImbalance: () => layers.reduce((most, layer) => Math.max(most, imbalance(layer)), 1),
  }
}
