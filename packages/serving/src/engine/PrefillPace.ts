import { LEAST_CHUNK_ROWS, paceChunk, type StepBudget, type StepPlan } from "@consilium/scheduling"

/** How many rows steps may have, learnt from how long they take. */
export interface PrefillPace {
  readonly budget: StepBudget
  /** Takes in a step that has run. */
  observe(plan: StepPlan, stepMs: number): void
}

/** How fast the measured length of a decode step follows what it is now. */
const FOLLOW = 0.1

export function createPrefillPace(maxRows: number): PrefillPace {
  const budget = { maxRows, maxChunkRows: Math.min(maxRows, LEAST_CHUNK_ROWS) }
  let decodeMs = 0
  return {
    budget,
    observe({ numRows, numDecoding }, stepMs) {
      const chunkRows = numRows - numDecoding
      if (chunkRows === 0) decodeMs += (stepMs - decodeMs) * (decodeMs === 0 ? 1 : FOLLOW)
      else if (numDecoding > 0) budget.maxChunkRows = paceChunk(budget, { chunkRows, stepMs, decodeMs })
    },
  }
}
