import { createKeyedPolicy } from "./createKeyedPolicy.ts"
import { createUseCounts } from "./createUseCounts.ts"
import type { EvictionPolicy, ExpertGrid } from "./EvictionPolicy.ts"

/** Puts the expert to sleep that was used least often, where a use counts half as much every `halfLife` steps: from LRU (short) to LFU (long). */
export function createLfu(grid: ExpertGrid, halfLife: number): EvictionPolicy {
  const counts = createUseCounts(grid, halfLife)
  return createKeyedPolicy(grid, {
    touch(heaps, expert, _layer, step) {
      const factor = counts.advance(step)
      if (factor !== 1) heaps.scaleKeys(factor)
      counts.add(expert)
      heaps.setKey(expert, counts.values[expert]!)
    },
    readiness: (key) => -key,
  })
}
