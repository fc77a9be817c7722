import { createKeyedPolicy } from "./createKeyedPolicy.ts"
import { createUseCounts } from "./createUseCounts.ts"
import type { EvictionPolicy, ExpertGrid } from "./EvictionPolicy.ts"

/** Puts the expert to sleep that was used least often, where a use counts half as much every `halfLife` steps: from LRU (short) to LFU (long). */
export function createLfu(grid: ExpertGrid, halfLife: number): EvictionPolicy {
  const counts = createUseCounts(halfLife)
  return createKeyedPolicy(grid, {
    name: `LFU, half-life ${halfLife}`,
    touch(heaps, expert, _layer, step) {
      counts.advance(heaps, step)
      heaps.setKey(expert, heaps.keys[expert]! + counts.weight())
    },
    readiness: (key) => -key,
  })
}
